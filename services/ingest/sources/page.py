"""The LIFF page: learns who the visitor is from LINE, reports the source, opens the add-friend screen. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Words(NamedTuple):
    """What the page says while it works."""

    wait: str
    add: str


WORDS = {
    "zh": Words("正在開啟加入好友頁面…", "加入好友"),
    "ja": Words("友だち追加の画面を開いています…", "友だち追加"),
    "th": Words("กำลังเปิดหน้าเพิ่มเพื่อน…", "เพิ่มเพื่อน"),
    "en": Words("Opening the add-friend screen…", "Add friend"),
}

_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{name}</title>
<style nonce="{nonce}">body{{font:17px/1.6 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;
margin:0;padding:0 24px;text-align:center;color:#1f2d2e}}a{{color:#06733f;font-weight:600}}</style>
<p>{wait}</p><p><a href="{add_friend_url}">{add}</a></p>
<script id="source" type="application/json">{settings}</script>
<script nonce="{nonce}" src="{sdk}"></script>
<script nonce="{nonce}">
(async () => {{
  const source = JSON.parse(document.getElementById("source").textContent);
  let token = null;
  let next = source.addFriendUrl;
  try {{
    await liff.init({{ liffId: source.liffId }});
    if (liff.isLoggedIn()) token = liff.getIDToken();
  }} catch (error) {{
    console.warn("LIFF is not available", error);
  }}
  try {{
    const answer = await fetch(location.pathname, {{
      method: "POST",
      headers: {{ "content-type": "application/json" }},
      body: JSON.stringify({{ code: source.code, id_token: token }}),
    }});
    if (answer.ok) next = (await answer.json()).add_friend_url;
  }} catch (error) {{
    console.warn("the source was not recorded", error);
  }}
  location.replace(next);
}})();
</script></html>
"""


def codes_in(query: Sequence[tuple[str, str]]) -> list[str]:
    """Return what may be the source's code, in the query of a LIFF endpoint.

    LIFF hands a LIFF URL's own query over inside `liff.state` first; after a log-in in an outside browser LINE adds a
    `code` of its own and keeps ours in `liffRedirectUri`. Only ours bears our signature.
    """
    codes = [value for name, value in query if name == "code"]
    for name, value in query:
        if name in {"liff.state", "liffRedirectUri"}:
            codes += [inner for key, inner in parse_qsl(_query_of(value)) if key == "code"]
    return codes


def _query_of(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def words_for(language: str) -> Words:
    """Return the words of an account's language, English where there are none."""
    return WORDS.get(language.lower().partition("-")[0], WORDS["en"])


def render(*, name: str, language: str, code: str, liff_id: str, add_friend_url: str, sdk: str, nonce: str) -> str:
    """Return the page of a source."""
    words = words_for(language)
    settings = json.dumps({"code": code, "liffId": liff_id, "addFriendUrl": add_friend_url})
    return _PAGE.format(
        name=html.escape(name),
        language=html.escape(language),
        wait=words.wait,
        add=words.add,
        add_friend_url=html.escape(add_friend_url),
        settings=settings.replace("<", "\\u003c"),
        sdk=html.escape(sdk),
        nonce=nonce,
    )


def content_policy(nonce: str, sdk: str, line_urls: Sequence[str]) -> str:
    """Return the page's Content-Security-Policy: our script and LINE's SDK, talking to us and to LINE."""
    line = sorted({_origin(url) for url in line_urls} | {"https://*.line.me", "https://*.line-scdn.net"})
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}' {_origin(sdk)}",
            f"style-src 'nonce-{nonce}'",
            f"connect-src 'self' {' '.join(line)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
