"""How tags compare, for who gives them and for who looks for them. Pure."""

from __future__ import annotations

import unicodedata

TAG_LIMIT = 64
"""Characters of a tag."""


def compared_tag(name: str) -> str:
    """Return the form in which tags are compared: neither letter case nor width nor outer blanks make another tag."""
    plain = unicodedata.normalize("NFKC", name).strip()
    return unicodedata.normalize("NFKC", plain.casefold())
