"""The addresses of a running stack, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.programs import SERVICES


def show_addresses(console: Console, facts: dict[str, Any], stack_file: str) -> None:
    """Print where to look first."""
    table = Table(box=None, pad_edge=False, show_header=False)
    services = facts["services"]
    table.add_row("phone page", facts["line"]["phone"], "be a friend of the account: talk, press, block")
    for service in SERVICES:
        if service.docs is not None:
            table.add_row(f"{service.name} API", services[service.name][service.speaks] + service.docs, "")
    table.add_row("webhooks", services["ingest"]["public"] + "/webhook/{channel}", "where LINE's events go in")
    table.add_row("control", facts["line"]["control"], "the stand-in's switches")
    table.add_row("Kafka, store", f"{facts['kafka']}, {facts['mongo']}", "")
    for name, replicas in facts["replicas"].items():
        ops = ", ".join(replica["ops"] for replica in replicas)
        table.add_row(f"{name} ops", ops, "/health/ready  /health/live  /metrics")
    for name, url in facts.get("watching", {}).items():
        table.add_row(name, url, f"admin, {facts['grafana_password_file']}" if name == "grafana" else "")
    table.add_row("accounts", facts["channels_file"], "development accounts and their secrets")
    table.add_row("admin key", facts["admin_key_file"], "Authorization: Bearer …")
    table.add_row("all of it", stack_file, "for scripts")
    console.print()
    console.print(table)
