"""A real Prometheus reads every process of the stack by the project's own configuration, alerts and all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.local.paths import CHECKOUT
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.prometheus import program
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

CONFIG = CHECKOUT / "deploy/prometheus/prometheus.yml"


def configured(facts: dict[str, Any]) -> str:
    """The configuration, with the stack's addresses where it asks Docker's DNS for them."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CONFIG.parent / name) for name in config["rule_files"]]
    [job] = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [
        {
            "targets": [replica["ops"].removeprefix("http://") for replica in replicas],
            "labels": {"__meta_dns_name": service},
        }
        for service, replicas in facts["replicas"].items()
    ]
    return yaml.safe_dump(config)


@contextlib.asynccontextmanager
async def prometheus(spine: Spine, folder: Path) -> AsyncIterator[str]:
    """Run Prometheus on the stack; gives the base URL of its API."""
    server = program("prometheus")
    if server is None:
        pytest.skip("prometheus is not here: `sh deploy/local/prometheus.sh` fetches it on Debian")
    file = folder / "prometheus.yml"
    file.write_text(configured(spine.facts))
    address = f"{LOOPBACK}:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            server,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{address}/api/v1"
    finally:
        process.terminate()
        await process.wait()


async def test_it_reads_every_process_and_its_rules_without_an_error(spine: Spine, tmp_path: Path) -> None:
    async with prometheus(spine, tmp_path) as api:

        async def ask(path: str) -> Any:
            with contextlib.suppress(httpx.HTTPError):
                answer = await spine.http.get(api + path)
                if answer.status_code == 200:
                    return answer.json()["data"]
            return None

        async def scraped() -> list[dict[str, Any]] | None:
            found = await ask("/targets")
            targets = found["activeTargets"] if found else []
            return targets if targets and all(target["health"] != "unknown" for target in targets) else None

        targets = await eventually(scraped, seconds=30)
        assert {(target["labels"]["service"], target["lastError"]) for target in targets} == {
            (service, "") for service in spine.facts["replicas"]
        }
        assert len(targets) == sum(map(len, spine.facts["replicas"].values()))

        async def evaluated() -> list[dict[str, Any]] | None:
            found = await ask("/rules")
            alerts = [rule for group in found["groups"] for rule in group["rules"]] if found else []
            return alerts if alerts and all(alert["health"] != "unknown" for alert in alerts) else None

        alerts = await eventually(evaluated, seconds=30)
        assert {(alert["health"], alert.get("lastError", "")) for alert in alerts} == {("ok", "")}
