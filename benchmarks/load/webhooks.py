"""Signed webhooks as raw HTTP requests, made before the clock starts: signing must not cost the load generator."""

from __future__ import annotations

from pathlib import Path

from shared.ids import ulid
from shared.testing.webhooks import event, sign, user_id, webhook

SLUG = "bench"
PATH = f"/webhook/{SLUG}"
DIFFERENT = 100
"""How many bodies are sent in turn: enough users to reach every partition."""
TEXT = "請問冷氣漏水想預約維修，最快什麼時候可以派人過來？"


def body(events: int, text: str = TEXT) -> bytes:
    """Return a webhook with text messages of different users, about 500 bytes each as LINE sends them."""
    return webhook(*[_message(text) for _ in range(events)])


def _message(text: str) -> dict[str, object]:
    content = {"id": "612000247513086336", "type": "text", "quoteToken": ulid() * 2, "text": text}
    return event("message", user_id(), replyToken=ulid() + "afe4", message=content)


def write_requests(folder: Path, events: int, port: int, text: str = TEXT) -> Path:
    """Write requests of this many events each, one a file (`1.http`, `2.http`, …), and return their folder."""
    requests = folder / f"requests-{port}-{events}-{len(text)}"
    requests.mkdir(exist_ok=True)
    for number in range(1, DIFFERENT + 1):
        (requests / f"{number}.http").write_bytes(_request(body(events, text), port))
    return requests


def _request(content: bytes, port: int) -> bytes:
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: LineBotWebhook/2.0",
        "Content-Type: application/json; charset=utf-8",
        f"X-Line-Signature: {sign(content)}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content
