"""`musubi topics`: the topic job."""

from __future__ import annotations

import os

from deploy.local.progress import people_console
from deploy.local.stack import make_topics, stack_facts
from musubi.commands.stack import chosen_home


def topics() -> None:
    """Create topics and align their configuration, on KAFKA_URL or the running stack."""
    url = os.environ.get("KAFKA_URL") or str(stack_facts(chosen_home().stack_file)["kafka"])
    people_console().out(make_topics(url))
