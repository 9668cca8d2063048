"""`python -m services.ingest`."""

from __future__ import annotations

import gc

from services.ingest.app import NAME, create_app
from services.ingest.settings import IngestSettings
from shared.http import main

if __name__ == "__main__":
    # What is loaded now stays: the collector need not walk it thousands of times a second.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    main(NAME, IngestSettings, create_app)
