"""The Java parts: what is said without a network, and that a changed jar is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.errors import StackError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first run: nothing has been fetched yet."""
    monkeypatch.setenv("MUSUBI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_a_network_it_says_what_is_missing_and_what_helps(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(empty_cache))
    with pytest.raises(StackError, match="could not be fetched") as failure:
        jars.jars_of(jars.MONGO)
    told = str(failure.value)
    assert "mongo-server-1.47.0" in told
    assert "needs a network" in told or "a network for the first run" in told
    assert "MONGO_URL" in told
    assert list((empty_cache / "jars").iterdir()) == []


def test_a_jar_that_is_not_the_checked_one_is_not_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(bundle: jars.Bundle, scratch: Path, say: jars.Say) -> Path:
        folder = scratch / bundle.folder_name
        folder.mkdir()
        (folder / "h2-2.3.232.jar").write_bytes(b"something else")
        return folder

    monkeypatch.setattr(jars, "_fetch", fetch)
    with pytest.raises(StackError, match=r"h2-2\.3\.232\.jar"):
        jars.jars_of(jars.MONGO)
    assert list((empty_cache / "jars").iterdir()) == []


def test_what_is_in_the_cache_is_not_fetched_again(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = empty_cache / "jars" / jars.KAFKA.folder_name
    folder.mkdir(parents=True)
    monkeypatch.setattr(jars, "_fetch", None)
    assert jars.jars_of(jars.KAFKA) == folder
