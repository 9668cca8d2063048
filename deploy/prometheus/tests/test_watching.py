"""Scrapes, alerts and dashboards speak of services and metrics that exist, and each alert is shown to fire."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from deploy.local.paths import CHECKOUT
from deploy.local.programs import SERVICES
from deploy.local.prometheus import program

FOLDER = CHECKOUT / "deploy/prometheus"
CONFIG, ALERTS, CASES = FOLDER / "prometheus.yml", FOLDER / "alerts.yml", FOLDER / "tests/alerts_test.yml"
GRAFANA = CHECKOUT / "deploy/grafana"
OF_PROMETHEUS = {"up", "ALERTS"}
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}

_LABELS = re.compile(r"\{[^{}]*\}|\b(?:by|without|on|ignoring)\s*\([^()]*\)|\[[^\]]*\]|\"[^\"]*\"")
_NAME = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS = {"by", "and", "or", "unless", "offset", "m", "s"}


def load(path: Any) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def metrics_in_code() -> set[str]:
    """The names that processes give to their series."""
    names = set()
    files = [*(CHECKOUT / "shared").rglob("*.py"), *(CHECKOUT / "services").rglob("*.py")]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files if "tests" not in path.parts)
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id=kind), args=[ast.Constant(value=str(name)), *_]) if kind in SUFFIXES:
                names |= {name + suffix for suffix in SUFFIXES[kind]}
    return names


def metrics_in(expression: str) -> set[str]:
    names = _NAME.findall(_LABELS.sub(" ", expression))
    return {name for name in names if name not in _WORDS and not name.isdigit()}


def rules() -> list[dict[str, Any]]:
    return [rule for group in load(ALERTS)["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((GRAFANA / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            yield file.name, panel


def test_the_names_of_an_expression_are_found() -> None:
    expression = 'sum by (service) (rate(a_total{x="b_total"}[5m])) / b_bucket > 0.01 or time() - (c offset 10m) > 3'
    assert metrics_in(expression) == {"a_total", "b_bucket", "c"}


def test_every_service_is_scraped_at_its_ops_port() -> None:
    [job] = load(CONFIG)["scrape_configs"]
    scraped = {entry["names"][0]: entry["port"] for entry in job["dns_sd_configs"]}

    assert scraped == {service.name: service.ops_port for service in SERVICES}


def test_the_absence_of_every_service_is_told() -> None:
    [gone] = [rule for rule in rules() if rule["alert"] == "ServiceGone"]

    assert set(re.findall(r'service="(\w+)"', gone["expr"])) == {service.name for service in SERVICES}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_speaks_of_metrics_that_exist_and_says_what_is_wrong(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) - OF_PROMETHEUS <= metrics_in_code()
    assert rule["labels"]["severity"] in {"page", "look"}
    assert rule["annotations"]["summary"]


def test_every_alert_is_described_for_who_is_woken() -> None:
    text = (CHECKOUT / "docs/operating.md").read_text(encoding="utf-8")

    assert [rule["alert"] for rule in rules() if f"| `{rule['alert']}` |" not in text] == []


def test_each_alert_is_shown_to_fire() -> None:
    cases = [case for test in load(CASES)["tests"] for case in test["alert_rule_test"]]

    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {rule["alert"] for rule in rules()}


def test_a_dashboard_asks_the_provisioned_source_for_metrics_that_exist() -> None:
    [source] = load(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
    known = metrics_in_code() | OF_PROMETHEUS
    for file, panel in panels():
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == source["uid"]
            assert metrics_in(target["expr"]) - known == set(), f"{file}: {panel['title']}"


def test_the_panels_of_a_dashboard_lie_beside_each_other() -> None:
    taken: dict[tuple[str, int, int], str] = {}
    for file, panel in panels():
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert x < 24
                assert taken.setdefault((file, x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize(
    "question", [("check", "config", CONFIG), ("test", "rules", CASES)], ids=lambda question: question[1]
)
def test_promtool_finds_nothing_wrong(question: tuple[str, str, Any]) -> None:
    promtool = program("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: `sh deploy/local/prometheus.sh` fetches it on Debian")
    done = subprocess.run([promtool, *map(str, question)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_understands_every_question_of_the_dashboards(tmp_path: Any) -> None:
    promtool = program("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: `sh deploy/local/prometheus.sh` fetches it on Debian")
    asked = [target["expr"] for _, panel in panels() for target in panel["targets"]]
    recorded = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(asked)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
