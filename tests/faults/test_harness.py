"""The harness itself: the same seed is the same traffic, a cut line cuts, steps are counted, the table tells."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from shared.testing.waiting import eventually
from tests.faults.mortal import Steps
from tests.faults.named import read_report
from tests.faults.proxy import Proxy
from tests.faults.table import Named, Row, as_markdown, as_text
from tests.faults.traffic import Shape, lay_out

USERS = [f"U{n}" for n in range(1000)]


def test_the_same_seed_is_the_same_traffic_and_another_is_not() -> None:
    shape = Shape(events=50, each=3, given_up=0.2)
    assert lay_out(shape, "run", USERS, random.Random(1)) == lay_out(shape, "run", USERS, random.Random(1))
    assert lay_out(shape, "run", USERS, random.Random(1)) != lay_out(shape, "run", USERS, random.Random(2))


def test_a_shape_is_what_comes_out() -> None:
    bodies = lay_out(Shape(events=400, each=3, hot=0.9, follows=0.1, per_second=60), "run", USERS, random.Random(1))
    events = [event for body in bodies for event in body.sent]
    talkers = Counter(event.user for event in events if event.kind != "follow")
    followers = [event.user for event in events if event.kind == "follow"]
    assert (len(events), len({event.id for event in events})) == (400, 400)
    assert talkers["U0"] > 0.8 * talkers.total()
    assert len(set(followers)) == len(followers) > 20
    assert bodies[-1].at == pytest.approx(399 / 60, abs=0.1)


async def test_a_cut_line_has_passed_the_request_on_and_not_its_answer() -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(4))
        writer.write(b"answer")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Proxy(host, port, random.Random(1)) as proxy:
        for cut, expected in ((0.0, b"answer"), (1.0, b"")):
            proxy.cut_answers = cut
            assert await _ask(proxy) == expected
        await eventually(lambda: heard == [b"ping", b"ping"])
        assert proxy.cuts == 1


async def _ask(proxy: Proxy) -> bytes:
    host, _, port = proxy.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"ping")
    try:
        return await reader.read(100)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_steps_are_counted_by_kind_once_armed_and_told(tmp_path: Path) -> None:
    class Store:
        async def write(self, what: str) -> str:
            return what

    steps = Steps("never", tmp_path / "steps")
    steps.around(Store, "write", lambda _, what: None if what == "lease" else what)
    await Store().write("before it is armed")
    steps.arm()
    assert [await Store().write(what) for what in ("a", "lease", "a")] == ["a", "lease", "a"]
    told = (tmp_path / "steps").read_text().splitlines()
    assert told == ["armed", "before a #1", "after a #1", "before a #2", "after a #2"]


def test_a_test_of_several_rows_has_the_worst_of_their_outcomes() -> None:
    report = (
        '<testsuites><testsuite><testcase classname="tests.a" name="test_x[1]" time="1.5"/>'
        '<testcase classname="tests.a" name="test_x[2]" time="0.5"><failure message="no"/></testcase>'
        '<testcase classname="tests.a" name="test_y" time="1"><skipped/></testcase></testsuite></testsuites>'
    )
    assert read_report(report) == {"tests.a.test_x": ("failed", 2.0), "tests.a.test_y": ("skipped", 1.0)}


def test_the_table_names_what_went_wrong() -> None:
    rows = [Row("all well", (1, 2), 3, 10, 9, 50, recovery=1.25), Row("badly", (7,), lost=1, differences=["lost: it"])]
    assert "all well  1,2           3    10         9       50     0      0          0         1.2" in as_text(rows)
    assert as_text(rows).endswith("badly: lost: it")
    assert "| `tests/a.py::test_x` | 7 | failed |" in as_markdown(
        rows, [Named("tests/a.py::test_x", (7,), "failed", 1)]
    )
