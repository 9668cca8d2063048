"""The least a webhook can do in Starlette: check LINE's signature, answer 200, store nothing."""

from __future__ import annotations

import base64
import hmac

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.yardsticks.serve import serve
from shared.testing.webhooks import SECRET


async def webhook(request: Request) -> Response:
    """Answer 200 to a right signature, else 401."""
    digest = hmac.digest(SECRET.encode(), await request.body(), "sha256")
    given = request.headers.get("x-line-signature", "")
    signed = hmac.compare_digest(base64.b64encode(digest), given.encode())
    return Response(status_code=200 if signed else 401)


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/webhook/{channel}", webhook, methods=["POST"])]))
