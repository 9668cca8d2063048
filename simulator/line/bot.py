"""The account itself and its webhook endpoint (REF "Get bot info", "Webhook settings")."""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError, not_found
from simulator.world.limits import iso_utc

_A_MINUTE = Limit(1000, 60)
_ENDPOINT = re.compile(r"https://.+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/.*)?", re.DOTALL)


def info(call: Call) -> Answer:
    """Return who the account is."""
    account = call.account
    shown: dict[str, Any] = {
        "userId": account.destination,
        "basicId": account.basic_id,
        "displayName": account.name,
        "chatMode": account.chat_mode,
        "markAsReadMode": "manual" if account.chat_mode == "chat" else "auto",
    }
    if account.premium_id:
        shown["premiumId"] = account.premium_id
    return Answer(shown)


def _checked_endpoint(url: Any) -> str:
    if not isinstance(url, str) or len(url) > 500 or not _ENDPOINT.fullmatch(url):
        raise LineError(400, "Invalid webhook endpoint URL")
    return url


def set_endpoint(call: Call) -> Answer:
    """LINE: HTTPS, at most 500 characters. The stand-in also takes http on loopback."""
    call.account.webhook_endpoint = _checked_endpoint(call.json().get("endpoint"))
    return Answer()


def get_endpoint(call: Call) -> Answer:
    """Return where webhooks go."""
    if not call.account.webhook_endpoint:
        raise not_found("Webhook endpoint not found")
    return Answer({"endpoint": call.account.webhook_endpoint, "active": call.account.webhook_active})


async def test_endpoint(call: Call) -> Answer:
    """Send a signed webhook without events and tell how it went."""
    asked = call.json() if call.raw else {}
    endpoint = _checked_endpoint(asked.get("endpoint", call.account.webhook_endpoint))
    body = orjson.dumps({"destination": call.account.destination, "events": []})
    status, detail = await call.dispatcher.post(call.account, body, endpoint=endpoint)
    ok = status.startswith("2")
    reason = "OK" if ok else "ERROR_STATUS_CODE" if status.isdigit() else status.upper()
    return Answer(
        {
            "success": ok,
            "timestamp": iso_utc(call.world.now()),
            "statusCode": int(status) if status.isdigit() else 0,
            "reason": reason,
            "detail": status if status.isdigit() else detail,
        }
    )


ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/info", info, "bot_info", "GET"),
    line_route("/v2/bot/channel/webhook/endpoint", set_endpoint, "webhook_endpoint", "PUT", _A_MINUTE),
    line_route("/v2/bot/channel/webhook/endpoint", get_endpoint, "webhook_endpoint", "GET", _A_MINUTE),
    line_route("/v2/bot/channel/webhook/test", test_endpoint, "webhook_test", limit=Limit(60, 3600)),
]
