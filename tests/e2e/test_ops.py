"""What ops see of every service: health, metrics that parse, logs and metrics without personal data or secrets."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.testing.spine import Spine

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"
SERVICES = ("ingest", "binding", "insights")
LINE_ID = re.compile(r"\b[UCR][0-9a-f]{32}\b")


async def metrics_of(spine: Spine, service: str) -> str:
    answer = await spine.http.get(f"{spine.ops(service)}/metrics")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("service", SERVICES)
async def test_a_running_service_is_live_and_ready_and_its_metrics_parse(spine: Spine, service: str) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = await spine.http.get(spine.ops(service) + path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": {}})
    families = list(text_string_to_metric_families(await metrics_of(spine, service)))
    assert {family.name for family in families} > {"producer_in_flight_records"}


@pytest.mark.parametrize("service", ["binding", "insights"])
async def test_a_consumer_tells_what_it_did_by_topic_and_outcome(spine: Spine, service: str) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "add")
    await spine.until_idle()
    total = 0.0
    for replica in range(2):
        text = (await spine.http.get(f"{spine.ops(service, replica)}/metrics")).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "consumer_records_total" and sample.labels["topic"] == "line.events":
                    total += sample.value
    assert total >= 1


async def test_ops_paths_are_not_on_the_public_port(spine: Spine) -> None:
    for path in ("/metrics", "/health/ready", "/docs", "/openapi.json"):
        assert (await spine.http.get(spine.api("ingest") + path)).status_code == 404


async def test_neither_logs_nor_metrics_hold_people_words_or_secrets(spine: Spine) -> None:
    [user] = await spine.people(1)
    words = "kingfishers-catch-fire"
    await spine.act(COFFEE, user, "add")
    await spine.act(COFFEE, user, "text", text=words)
    member = await spine.until_member(COFFEE, user)
    key = f"/v1/members/{member['id']}/keys/customer"
    await spine.admin("PUT", "binding", key, json={"value": f"K-{words}"})
    await spine.until_idle()
    secrets = {str(entry[name]) for entry in spine.accounts for name in ("channel_secret", "access_token")}
    secrets |= {words, spine.key["authorization"].removeprefix("Bearer ")}
    logs = await asyncio.to_thread(read_logs, spine.stack.home.folder("logs"))
    metrics = {service: await metrics_of(spine, service) for service in SERVICES}
    for name, text in (logs | metrics).items():
        assert LINE_ID.findall(text) == [], name
        assert [secret for secret in secrets if secret in text] == [], name


def read_logs(folder: Path) -> dict[str, str]:
    names = [*SERVICES, "simulator"]
    return {path.name: path.read_text(errors="replace") for name in names for path in folder.glob(f"{name}*.log*")}
