"""`python -m services.ingest`."""

from __future__ import annotations

import logging

from services.ingest.app import NAME, create_app
from services.ingest.settings import IngestSettings
from shared.http import main

if __name__ == "__main__":
    # aiokafka says forty times a second that a broker is down; the producer says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    main(NAME, IngestSettings, create_app)
