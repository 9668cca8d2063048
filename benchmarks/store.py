"""Which store a figure is from: the same code is ten times as fast on one as on another."""

from __future__ import annotations

from typing import Any

import pymongo


def store_name(url: str, *, ours: bool) -> str:
    """Return what answers at a MongoDB URL, as it names itself, never its address.

    Args:
        ours: it is the stack's own server, which claims to be a MongoDB.
    """
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url, serverSelectionTimeoutMS=5000)
    try:
        built = client.admin.command("buildInfo")
    finally:
        client.close()
    if ours:
        return "the local stack's (mongo-java-server on H2)"
    if ferret := built.get("ferretdb"):
        return f"FerretDB {ferret['version']}"
    return f"given, says MongoDB {built['version']}"
