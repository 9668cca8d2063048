"""Signed links: only ours are read, whatever is changed in them; keys rotate."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.channels import BadFile
from shared.clock import utcnow
from shared.links import BadLink, Click, LinkKeys, Source

OLD, NEW = ("k1", b"a" * 32), ("k2", b"b" * 32)
KEYS = LinkKeys([OLD])
CLICK: dict[str, Any] = {
    "channel": "coffee",
    "link": "autumn",
    "url": "https://shop.example.com/?a=1",
    "member": "mbr_1",
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def test_what_is_signed_is_read() -> None:
    expires = utcnow() + timedelta(days=1)

    click = KEYS.read_click(KEYS.sign_click(**CLICK, expires_at=expires), utcnow())

    assert click == Click(**CLICK, expires=round(expires.timestamp() * 1000))
    assert KEYS.read_source(KEYS.sign_source(channel="coffee", source="window")) == Source("coffee", "window")


def test_an_expired_link_is_bad() -> None:
    token = KEYS.sign_click(**CLICK, expires_at=utcnow() + timedelta(minutes=1))

    with pytest.raises(BadLink):
        KEYS.read_click(token, utcnow() + timedelta(minutes=2))


@given(data=st.data())
def test_no_changed_character_is_accepted(data: st.DataObject) -> None:
    token, code = KEYS.sign_click(**CLICK), KEYS.sign_source(channel="coffee", source="window")
    for text, read in ((token, lambda link: KEYS.read_click(link, utcnow())), (code, KEYS.read_source)):
        at = data.draw(st.integers(0, len(text) - 1))
        letter = data.draw(st.sampled_from([letter for letter in ALPHABET if letter != text[at]]))
        with pytest.raises(BadLink):
            read(text[:at] + letter + text[at + 1 :])


@given(noise=st.text(max_size=200))
def test_noise_is_bad(noise: str) -> None:
    with pytest.raises(BadLink):
        KEYS.read_click(noise, utcnow())
    with pytest.raises(BadLink):
        KEYS.read_source(noise)


def test_a_code_is_no_token_and_a_token_no_code() -> None:
    with pytest.raises(BadLink):
        KEYS.read_click(KEYS.sign_source(channel="c1", source="k1"), utcnow())
    with pytest.raises(BadLink):
        KEYS.read_source(KEYS.sign_click(**CLICK))


def test_the_first_key_signs_and_every_listed_key_is_accepted() -> None:
    both, after = LinkKeys([NEW, OLD]), LinkKeys([NEW])
    old, new = KEYS.sign_click(**CLICK), both.sign_click(**CLICK)

    assert both.read_click(old, utcnow()) == both.read_click(new, utcnow())
    assert after.read_click(new, utcnow())
    with pytest.raises(BadLink):
        after.read_click(old, utcnow())


def test_the_same_key_id_with_another_secret_is_another_key() -> None:
    with pytest.raises(BadLink):
        LinkKeys([("k1", b"c" * 32)]).read_click(KEYS.sign_click(**CLICK), utcnow())


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://shop.example.com/"},
        {"url": "javascript:alert(1)"},
        {"url": "//shop.example.com"},
        {"url": "https://"},
        {"url": "https://good.example@evil.example/"},
        {"url": "https://a.example\r\nset-cookie: x=1"},
        {"url": "https://a.example/ü"},
        {"url": "https:\\\\evil.example"},
        {"url": "https://a.example/" + "x" * 2048},
        {"channel": "Coffee!"},
        {"link": ""},
        {"link": "a b"},
        {"member": "U" + "7" * 32},
        {"member": "coffee:U" + "7" * 32},
    ],
    ids=str,
)
def test_what_may_not_travel_in_a_link_is_not_signed(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"link|channel|member|address"):
        KEYS.sign_click(**CLICK | changed)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8010/x", "http://localhost/x", "http://[::1]:80/"])
def test_plain_http_is_for_loopback(url: str) -> None:
    assert KEYS.read_click(KEYS.sign_click(**CLICK | {"url": url}), utcnow()).url == url


@pytest.mark.parametrize("name", ["", "Window", "a" * 33, "a.b", "窗"])
def test_a_source_s_name_is_plain(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        KEYS.sign_source(channel="coffee", source=name)


SECRET = base64.b64encode(b"s" * 32).decode()


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], "no key"),
        ([{"id": "k1", "secret": "short"}], "key k1"),
        ([{"id": "k1", "secret": base64.b64encode(b"x" * 16).decode()}], "32 bytes"),
        ([{"id": "K 1", "secret": SECRET}], "id"),
        ([{"id": "k1", "secret": SECRET}] * 2, "same id"),
        ([{"id": "k1"}], "secret"),
    ],
)
def test_a_wrong_key_file_is_explained_without_its_secrets(tmp_path: Path, entries: list[Any], says: str) -> None:
    path = tmp_path / "link_keys.yaml"
    path.write_text(yaml.safe_dump(entries))

    with pytest.raises(BadFile, match=says) as refused:
        LinkKeys.load(path)

    assert SECRET not in str(refused.value)
