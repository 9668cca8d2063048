"""The channels file is read again when it changes, and a wrong change is refused."""

from __future__ import annotations

import logging

import pytest

from services.ingest.accounts import Accounts
from shared.testing.webhooks import IngestFiles, account, write_files


def test_a_new_account_is_there_after_a_change(files: IngestFiles) -> None:
    accounts = Accounts(files.channels)
    assert accounts.get("tea") is None

    write_files(files.channels.parent, [account("tea")])

    assert accounts.refresh()
    assert accounts.get("tea") is not None
    assert accounts.get("coffee") is None


def test_a_wrong_change_is_refused_once_and_the_old_accounts_stay(
    files: IngestFiles, caplog: pytest.LogCaptureFixture
) -> None:
    accounts = Accounts(files.channels)
    write_files(files.channels.parent, [account("coffee", channel_secret=5)])

    with caplog.at_level(logging.ERROR):
        assert [accounts.refresh(), accounts.refresh()] == [False, True]

    assert accounts.get("coffee") is not None
    assert len(caplog.records) == 1
    assert "channel_secret" in caplog.records[0].__dict__["reason"]


def test_a_file_that_vanishes_leaves_the_accounts(files: IngestFiles) -> None:
    accounts = Accounts(files.channels)
    files.channels.unlink()

    assert not accounts.refresh()
    assert accounts.get("coffee") is not None
