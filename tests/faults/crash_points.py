"""Scenarios in which a service dies at each step of an event's life at which it leaves the process, one after the
other: before and after each write, publication, call to LINE and commit."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from shared.testing.processes import ServiceProcess
from shared.testing.waiting import eventually
from tests.faults.quiet import until_quiet
from tests.faults.runner import Play, Scenario
from tests.faults.stage import BACK_SECONDS, Stage
from tests.faults.traffic import COFFEE, Shape

LAUNCHER = "tests.faults.mortal"
NEVER = "never"
LIFE_SECONDS = 8.0
"""By then an event's life is over, or its process died."""
MOST_POINTS = 80
MET_AT_LEAST = 0.8
"""A share of the steps: what runs side by side, or again after a death, need not take every step in every life."""

FOLLOW = Shape(events=1, follows=1.0, words=0.0, repeated=0.0, talkers=1, channels=(COFFEE,))
WORD = Shape(events=1, follows=0.0, words=1.0, repeated=0.0, talkers=1, channels=(COFFEE,))
BODY = Shape(events=5, repeated=0.0, talkers=3, each=5)
TEXTS = Shape(events=6, follows=0.0, words=0.0, repeated=0.0, talkers=2, each=6)


class Lives:
    """One process of a service after the other, in the place of its usual ones; each may die at a step."""

    def __init__(self, stage: Stage, service: str, shape: Shape) -> None:
        self._stage, self._service, self._shape = stage, service, shape
        self._told = stage.spine.stack.home.folder("run") / f"steps-{service}"
        self.died: set[str] = set()

    async def steps(self) -> list[str]:
        """Live once to the end and return the steps that were taken."""
        process = await self._born(NEVER)
        try:
            await self._stage.traffic.run(self._shape)
            await until_quiet(self._stage.spine, self._stage.observer, resting=self._stage.resting)
            return self._lines()
        finally:
            process.end()

    async def die(self, at: str) -> bool:
        """Live until a step; False where it did not come to that."""
        process = await self._born(at)
        try:
            await self._stage.traffic.run(self._shape)
            with contextlib.suppress(AssertionError):
                await eventually(lambda: process.ended, seconds=LIFE_SECONDS)
            if process.ended:
                self.died.add(at)
                self._stage.note()
            return process.ended
        finally:
            process.end()

    async def _born(self, at: str) -> ServiceProcess:
        self._told.write_text("")
        settings = {"MORTAL_AT": at, "MORTAL_STEPS": str(self._told)}
        # A fixed instance id: the next one takes the partitions over without waiting for the dead one's session to end.
        consuming = {} if self._service == "ingest" else {"GROUP_INSTANCE_ID": f"{self._service}-mortal"}
        process = self._stage.process(self._service, LAUNCHER, **settings, **consuming)
        process.start()
        try:
            await process.ready(BACK_SECONDS)
            process.signal(signal.SIGUSR1)
            await eventually(lambda: "armed" in self._told.read_text(), seconds=10)
        except BaseException:
            process.end()
            raise
        if self._service == "ingest":
            self._stage.traffic.first_to = process.url
        return process

    def _lines(self) -> list[str]:
        return [line for line in Path(self._told).read_text().splitlines() if line != "armed"]


def at_each_step(service: str, shape: Shape, some: Sequence[str] = ()) -> Play:
    """Return the scenario that kills a service at each step of what the shape sets off, or at some by name."""

    async def play(stage: Stage) -> None:
        async with _away(stage, service):
            lives = Lives(stage, service, shape)
            points = some or (await lives.steps())[:MOST_POINTS]
            for point in points:
                await lives.die(point)
        stage.traffic.first_to = None
        if len(lives.died) < MET_AT_LEAST * len(points) or not points:
            raise AssertionError(f"of {len(points)} steps it died only at these: {sorted(lives.died)}")

    return play


@contextlib.asynccontextmanager
async def _away(stage: Stage, service: str) -> AsyncIterator[None]:
    """Let the usual processes rest; those of ingest stay, since what is not answered is delivered to them again."""
    if service == "ingest":
        yield
        return
    stage.resting.add(service)
    async with stage.away(*(f"{service}-{n + 1}" for n in range(len(stage.spine.facts["replicas"][service])))):
        yield
    stage.resting.discard(service)


SCENARIOS = (
    Scenario("points-ingest", "ingest dies before and after Kafka has a body", at_each_step("ingest", BODY)),
    Scenario("points-binding", "binding dies at each step of a greeting", at_each_step("binding", FOLLOW)),
    Scenario("points-ticketing", "ticketing dies at each step of an answer", at_each_step("ticketing", WORD)),
    Scenario("points-insights", "insights dies at each step of a batch", at_each_step("insights", TEXTS)),
)
