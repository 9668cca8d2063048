"""What insights has counted of an account, by the names the ledger uses."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from musubi.demo.http import Http

REACH, BOUND_MEMBERS, BOUND_SHARE = "reach", "bound_members", "bound_share"

DESK_COUNTS = {
    "tickets opened": "tickets_opened",
    "tickets assigned": "tickets_assigned",
    "tickets closed": "tickets_closed",
}
CAMPAIGN_COUNTS = {
    "campaign reached": "accepted",
    "campaign failed": "rejected",
    "campaign unsettled": "unsettled",
    "campaign clicks": "campaign_clicks",
    "campaign blocks": "blocked",
}
"""The ledger's name of a counter, and insights'."""


class Counts:
    """Insights' reports, flattened: counters of what happened, and levels as they stand."""

    def __init__(self, http: Http, first: dict[str, date]) -> None:
        """`first`: by account, the local date from which on is counted; the story may go past midnight."""
        self._http = http
        self._first = first

    async def of(self, slug: str) -> tuple[Counter[str], dict[str, Any]]:
        """Return the counters since the first date, and the levels now."""
        totals = {name: await self._totals(slug, name) for name in ("friends", "messages", "clicks", "bindings")}
        sources = await self._totals(slug, "sources")
        tickets, campaigns = await self._totals(slug, "tickets"), await self._totals(slug, "campaigns")
        friends, bindings = totals["friends"], totals["bindings"]
        counters = Counter(
            {
                "adds, new": friends["adds_new"],
                "adds, came back": friends["adds_unblocked"],
                "blocks": friends["blocks"],
                "bound": bindings["bound"],
                "unbound": bindings["unbound"],
                "account links failed": bindings["link_failed"],
            }
        )
        for name, field in DESK_COUNTS.items():
            counters[name] += tickets[field]
        for name, field in CAMPAIGN_COUNTS.items():
            counters[name] += campaigns[field]
        for kind in totals["messages"]["kinds"]:
            counters[message_name(kind)] += kind["count"]
        for link in totals["clicks"]["links"]:
            counters[f"clicks of {link['link']}"] += link["clicks"]
        for source in sources["sources"]:
            counters[f"from source {source['source']}"] += source["attributed"]
            counters[f"visits of source {source['source']}"] += source["source_hits"]
        levels = {REACH: friends["reach"], BOUND_MEMBERS: bindings["bound_members"]}
        return counters, levels | {BOUND_SHARE: bindings["bound_share"]}

    async def _totals(self, slug: str, report: str) -> dict[str, Any]:
        found = await self._http.get(f"/v1/insights/{slug}/{report}", **{"from": self._first[slug].isoformat()})
        totals: dict[str, Any] = found["totals"]
        return totals


def message_name(kind: dict[str, Any]) -> str:
    """Return the counter's name of a kind of message: `in, text`, `out, greeting by reply`."""
    if kind["direction"] == "out":
        return f"out, {kind['kind']} by {kind['api']}"
    return f"in, {kind['kind']}" if kind["chat"] == "user" else f"in a {kind['chat']}, {kind['kind']}"
