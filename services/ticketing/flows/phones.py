"""Phone numbers as people type them, brought into one form. Pure."""

from __future__ import annotations

import unicodedata
from typing import Literal

import regex

Country = Literal["TW", "JP", "TH"]

_DIALLING: dict[Country, str] = {"TW": "886", "JP": "81", "TH": "66"}
_NATIONAL: dict[Country, str] = {
    "TW": r"9\d{8}|[2-8]\d{7,8}",
    "JP": r"[5789]0\d{8}|[1-9]\d{8}",
    "TH": r"[689]\d{8}|[2-7]\d{7}",
}
"""National significant numbers: mobile, then landline (ITU-T E.164, national numbering plans)."""
_SEPARATORS = regex.compile(r"[\s\-‐-―−().·/]")
_TRUNK_IN_BRACKETS = regex.compile(r"\(0\)")
_E164 = regex.compile(r"\+[1-9][0-9]{7,14}")
_LONGEST = 40


def normalise_phone(typed: str, countries: tuple[Country, ...] = ("TW", "JP", "TH")) -> str | None:
    """Return a number as E.164 (`+886912345678`), or None where it is none.

    Args:
        typed: with any separators, full width or not, with `+` or `00` before the country, or a leading 0 at home.
        countries: whose home forms are understood; the first that fits decides (0812345678 fits two).
    """
    plain = unicodedata.normalize("NFKC", typed).strip()
    if len(plain) > _LONGEST:
        return None
    plain = _SEPARATORS.sub("", _TRUNK_IN_BRACKETS.sub("", plain))
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    if not regex.fullmatch(r"\+?[0-9]+", plain):
        return None
    return _international(plain) if plain.startswith("+") else _at_home(plain, countries)


def _international(plain: str) -> str | None:
    for country, code in _DIALLING.items():
        if plain.startswith(f"+{code}"):
            national = plain[len(code) + 1 :].removeprefix("0")
            return f"+{code}{national}" if regex.fullmatch(_NATIONAL[country], national) else None
    return plain if _E164.fullmatch(plain) else None


def _at_home(plain: str, countries: tuple[Country, ...]) -> str | None:
    if not plain.startswith("0"):
        return None
    for country in countries:
        if regex.fullmatch(_NATIONAL[country], plain[1:]):
            return f"+{_DIALLING[country]}{plain[1:]}"
    return None
