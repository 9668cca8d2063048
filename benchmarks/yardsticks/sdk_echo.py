"""A bot as the SDK's FastAPI examples show it: parse with the SDK, look at each event. Nothing is replied or stored."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request
from linebot.v3.exceptions import InvalidSignatureError
from linebot.v3.webhook import WebhookParser
from linebot.v3.webhooks import MessageEvent, TextMessageContent

from benchmarks.yardsticks.serve import serve
from shared.testing.webhooks import SECRET

app = FastAPI()
parser = WebhookParser(SECRET)


@app.post("/webhook/{channel}")
async def webhook(request: Request) -> str:
    """Answer OK to a right signature, else 400."""
    body = (await request.body()).decode()
    try:
        events = parser.parse(body, request.headers.get("x-line-signature", ""))
    except InvalidSignatureError:
        raise HTTPException(status_code=400, detail="Invalid signature") from None
    texts = [event.message.text for event in events if _is_text(event)]
    return "OK" if texts else "nothing to echo"


def _is_text(event: object) -> bool:
    return isinstance(event, MessageEvent) and isinstance(event.message, TextMessageContent)


if __name__ == "__main__":
    serve(app)
