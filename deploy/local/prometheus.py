"""Where Prometheus' programs are, for tests: on the path, or fetched by `deploy/local/prometheus.sh`."""

from __future__ import annotations

import shutil

from deploy.local.paths import CHECKOUT

FETCHED = CHECKOUT / ".tools/prometheus/usr/bin"


def program(name: str) -> str | None:
    """Return the path of `prometheus` or `promtool`; None where there is none."""
    fetched = FETCHED / name
    return shutil.which(name) or (str(fetched) if fetched.is_file() else None)
