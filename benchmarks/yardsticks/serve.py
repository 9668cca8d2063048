"""Serving a yardstick as it would be in production: uvicorn with httptools and uvloop, one worker, no access log."""

from __future__ import annotations

import os

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp) -> None:
    """Serve on the port that PORT names until a signal ends it."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
