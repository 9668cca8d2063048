"""`musubi dlq` and `musubi link` against a service that answers as ours do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.local.errors import StackError
from musubi import apis
from musubi.app import app

KEY = "mk_dev_secret"


def letter(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"0-{number}",
        "service": "binding",
        "topic": "line.events",
        "partition": 3,
        "offset": number,
        "handler": "binding",
        "error_class": "BadRecord",
        "error": "no LINE event: [DecodeError]",
        "attempts": 1,
        "first_failed_at": "2026-08-01T00:00:00.000Z",
        "last_failed_at": "2026-08-01T00:00:00.000Z",
        "dead_since": "2026-08-01T00:00:00Z",
        "event_id": None,
        "bytes": 2,
        "replayed": False,
        "dropped": None,
    } | fields


class Service:
    """A service's API: answers what it is told to, remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                service.asked.append((self.command, self.path, body))
                status, content = service.answers.get(self.path, (404, {"title": "There is no such thing here"}))
                if self.headers["authorization"] != f"Bearer {KEY}":
                    status, content = 401, {"title": "A valid key is needed"}
                raw = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


def musubi(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"MUSUBI_API": service.url, "MUSUBI_KEY": KEY})


def test_list_shows_a_table(service: Service) -> None:
    service.answers["/v1/dlq?limit=50"] = (200, {"items": [letter(7)], "next_cursor": None})

    shown = musubi(service, "dlq", "list")

    assert shown.exit_code == 0
    for words in ("binding/0-7", "line.events 3-7", "BadRecord", "no LINE event: [DecodeError]"):
        assert words in shown.output


def test_list_hands_filters_on_and_follows_pages_up_to_the_limit(service: Service) -> None:
    first = [letter(number) for number in range(200)]
    service.answers["/v1/dlq?topic=t&error=E&limit=200"] = (200, {"items": first, "next_cursor": "c"})
    service.answers["/v1/dlq?topic=t&error=E&cursor=c&limit=10"] = (200, {"items": [letter(9)], "next_cursor": None})

    shown = musubi(service, "dlq", "list", "--topic", "t", "--error", "E", "--limit", "210", "--json")

    assert shown.exit_code == 0, shown.output
    assert len(json.loads(shown.output)) == 201


def test_an_empty_list_says_so(service: Service) -> None:
    service.answers["/v1/dlq?limit=50"] = (200, {"items": [], "next_cursor": None})

    assert musubi(service, "dlq", "list").output == "no dead letters\n"


def test_show_lays_out_what_the_letter_holds(service: Service) -> None:
    holds = {"key": "shop:U1", "value": '{"type":"follow"}', "headers": {"event-id": "[e]"}}
    service.answers["/v1/dlq/0-7"] = (200, letter(7, **holds))

    shown = musubi(service, "dlq", "show", "binding/0-7")

    assert '{\n  "type": "follow"\n}' in shown.output
    assert "[e]" in shown.output


def test_replay_asks_for_force_where_the_service_refuses(service: Service) -> None:
    service.answers["/v1/dlq/0-7/replay"] = (409, {"title": "This conflicts with what is stored"})
    service.answers["/v1/dlq/0-7/replay?force=true"] = (202, {"id": "0-7", "status": "replayed"})

    refused = musubi(service, "dlq", "replay", "binding/0-7")
    forced = musubi(service, "dlq", "replay", "binding/0-7", "--force")

    assert isinstance(refused.exception, StackError)
    assert "--force binding/0-7" in str(refused.exception)
    assert forced.exit_code == 0


def test_letters_are_dropped_with_a_reason_and_taken_back(service: Service) -> None:
    service.answers["/v1/dlq/0-7/drop"] = (200, {"id": "0-7", "status": "dropped"})

    silent = musubi(service, "dlq", "drop", "binding/0-7")
    dropped = musubi(service, "dlq", "drop", "binding/0-7", "--why", "a test")
    back = musubi(service, "dlq", "drop", "binding/0-7", "--undo")

    assert isinstance(silent.exception, StackError)
    assert (dropped.output, back.output) == ("binding/0-7 is dropped\n", "binding/0-7 is open again\n")
    path = "/v1/dlq/0-7/drop"
    assert service.asked == [("POST", path, {"why": "a test"}), ("DELETE", path, None)]


@pytest.mark.parametrize(
    ("action", "why", "done"),
    [("replay", {}, "2 of 3 replayed"), ("drop", {"why": "known"}, "2 of 3 dropped")],
)
def test_all_that_match_are_only_counted_without_a_yes(
    service: Service, action: str, why: dict[str, str], done: str
) -> None:
    service.answers[f"/v1/dlq/{action}"] = (200, {"matched": 3, "done": 2, "dry_run": False})
    filters = ("--all", "--topic", "t", "--since", "2026-08-01", "--most", "2")
    asked = (*filters, *(("--why", why["why"]) if why else ()))

    counted = musubi(service, "dlq", action, *asked)
    swept = musubi(service, "dlq", action, *asked, "--yes")

    assert f"3 match; --yes would {action} 2" in counted.output
    assert done in swept.output
    body = {"topic": "t", "since": "2026-08-01T00:00:00.000Z", "most": 2, **why}
    assert [sent for *_, sent in service.asked] == [body | {"dry_run": True}, body | {"dry_run": False}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "binding/0-7", "--all"),
        ("replay", "binding/0-7", "--topic", "t"),
        ("replay", "--all", "--force"),
        ("replay", "--all", "--since", "yesterday"),
        ("drop", "--all"),
    ],
)
def test_what_is_not_said_clearly_is_not_done(service: Service, arguments: tuple[str, ...]) -> None:
    assert isinstance(musubi(service, "dlq", *arguments).exception, StackError)
    assert service.asked == []


def test_counts_and_the_audit_log_are_tables(service: Service) -> None:
    service.answers["/v1/dlq/counts"] = (200, {"service": "binding", "open": 4, "replayed": 1, "dropped": 2})
    entry = {"id": "aud_1", "at": "2026-08-01T00:00:00Z", "who": "ann", "action": "dead_letters.drop", "object": "o"}
    path = "/v1/audit?who=ann&since=2026-08-01T00:00:00.000Z&limit=50"
    service.answers[path] = (200, {"items": [entry | {"why": "known"}], "next_cursor": None})

    counts = musubi(service, "dlq", "counts")
    audit = musubi(service, "audit", "--who", "ann", "--since", "2026-08-01")

    assert counts.output.split() == ["service", "open", "replayed", "dropped", "binding", "4", "1", "2"]
    assert "dead_letters.drop" in audit.output
    assert "known" in audit.output


def test_another_problem_is_told_in_the_services_words(service: Service) -> None:
    problem = {"title": "Some fields are not valid", "errors": [{"pointer": "/url", "detail": "is no https address"}]}
    service.answers["/v1/links/clicks"] = (422, problem)

    refused = musubi(service, "link", "click", "ftp://x", "--channel", "shop")

    assert str(refused.exception) == "Some fields are not valid: /url is no https address"


def test_links_are_made_and_printed(service: Service) -> None:
    service.answers["/v1/links/clicks"] = (201, {"url": "https://m.example/r/t", "link": "lnk_1"})
    service.answers["/v1/links/sources"] = (201, {"url": "https://m.example/s/c", "source": "window"})

    click = musubi(
        service,
        *("link", "click", "https://shop.example", "--channel", "shop", "--link", "autumn"),
        *("--expires", "2026-12-31T23:59:00+08:00"),
    )
    source = musubi(service, "link", "source", "window", "--channel", "shop")

    assert (click.output, source.output) == ("https://m.example/r/t\n", "https://m.example/s/c\n")
    moment = "2026-12-31T23:59:00+08:00"
    wanted = {"channel": "shop", "url": "https://shop.example", "link": "autumn", "expires_at": moment}
    assert [body for _, _, body in service.asked] == [wanted, {"channel": "shop", "source": "window"}]


def test_a_moment_without_an_offset_is_refused(service: Service) -> None:
    refused = musubi(service, "link", "click", "https://x", "--channel", "shop", "--expires", "2026-12-31T23:59:00")

    assert "no moment with an offset" in str(refused.exception)
    assert service.asked == []


class TestWhichServiceIsAsked:
    @pytest.fixture(autouse=True)
    def stack(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A stack of three services, two of them with an API."""
        (tmp_path / "admin.key").write_text(f"{KEY}\n")
        services = {"ingest": {"public": "http://i"}, "binding": {"api": "http://b"}, "insights": {"api": "http://n"}}
        facts = {"services": services, "admin_key_file": str(tmp_path / "admin.key")}
        (tmp_path / "stack.json").write_text(json.dumps(facts))
        monkeypatch.setattr(apis, "DEFAULT_HOME", tmp_path)
        return tmp_path

    def test_all_that_have_an_api(self) -> None:
        assert apis.apis(None, None, None) == [
            apis.Api("binding", "http://b", KEY),
            apis.Api("insights", "http://n", KEY),
        ]

    def test_one_of_them(self) -> None:
        assert apis.apis("insights", None, "mk_other_key") == [apis.Api("insights", "http://n", "mk_other_key")]

    def test_none_that_has_no_api(self) -> None:
        with pytest.raises(StackError, match=r"'ingest' is no service .*binding, insights"):
            apis.apis("ingest", None, None)

    def test_another_stack_needs_a_key(self) -> None:
        with pytest.raises(StackError, match="MUSUBI_KEY"):
            apis.apis(None, "https://m.example/", None)
        assert apis.apis(None, "https://m.example/", KEY) == [apis.Api(None, "https://m.example", KEY)]

    def test_a_letter_must_say_whose_it_is(self) -> None:
        refused = CliRunner().invoke(app, ["dlq", "show", "0-7"])

        assert "binding/0-7 or insights/0-7" in str(refused.exception)

    def test_no_stack(self, stack: Path) -> None:
        (stack / "stack.json").unlink()

        with pytest.raises(StackError, match="make up"):
            apis.apis(None, None, None)
