"""An event loop without real time or I/O: time jumps to the next timer, and whole processes stop, freeze or die.

A callback belongs to the simulated process in whose context it was registered; what belongs to no process is the
world: networks and servers. Timers of one moment run in an order drawn from the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any

START = 1_790_000_000.0
"""UNIX time at which every schedule starts."""


class Process:
    """A simulated machine: nothing it would still do is done once it is dead; frozen, it is done later."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.held: list[Handle] = []
        self.calls = 0


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Handle:
    """A callback to run, as asyncio's own."""

    __slots__ = ("args", "callback", "cancelled_", "context", "process", "time")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, time: float) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = context.get(PROCESS)
        self.time = time
        self.cancelled_ = False

    def cancel(self) -> None:
        """Do not run it."""
        self.cancelled_ = True

    def cancelled(self) -> bool:
        """Whether it will not run."""
        return self.cancelled_

    def when(self) -> float:
        """When a timer is due."""
        return self.time


class VirtualTask(asyncio.Task[Any]):
    """A task whose hash does not depend on where it lies in memory, so that sets of tasks have one order."""

    def __init__(self, work: Coroutine[Any, Any, Any], *, number: int, **rest: Any) -> None:
        self._number = number
        super().__init__(work, **rest)

    def __hash__(self) -> int:
        return self._number


if TYPE_CHECKING:
    _Loop: Any = object
else:
    _Loop = asyncio.AbstractEventLoop


class VirtualLoop(_Loop):  # type: ignore[misc]
    """Runs callbacks in virtual time."""

    def __init__(self, rng: random.Random) -> None:
        self._now = 0.0
        self._rng = rng
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, float, int, Handle]] = []
        self._numbers = 0
        self._tasks: list[VirtualTask] = []
        self.steps = 0
        self.problems: list[str] = []
        self.server = Context()

    def time(self) -> float:
        """Seconds since the schedule began."""
        return self._now

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Always, while anything asks."""
        return True

    def is_closed(self) -> bool:
        """Never."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Note an error that nobody waits for."""
        if "exception" in context and isinstance(context.get("future"), VirtualTask):
            self.problems.append(f"nobody waited for {context['exception']!r}")

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, work: Any, *, name: Any = None, context: Context | None = None) -> Any:
        """Start a task in the context, and so in the process, of its maker."""
        self._numbers += 1
        task = VirtualTask(work, number=self._numbers, loop=self, name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Run a callback in its turn."""
        handle = Handle(callback, args, context if context is not None else copy_context(), self._now)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Run a callback after some seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Run a callback at a time."""
        self._numbers += 1
        handle = Handle(callback, args, context if context is not None else copy_context(), when)
        heapq.heappush(self._timers, (when, self._rng.random(), self._numbers, handle))
        return handle

    def on_server(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Run a callback of the world, which no process's death stops."""
        when = self._now + delay
        self._numbers += 1
        handle = Handle(callback, args, self.server, when)
        heapq.heappush(self._timers, (when, self._rng.random(), self._numbers, handle))

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a process."""
        context = Context()
        context.run(PROCESS.set, process)
        task: asyncio.Task[Any] = self.create_task(work, context=context)
        return task

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on with everything that came in meanwhile."""
        process.frozen = False
        self._ready.extend(process.held)
        process.held.clear()

    def run(self, until: Callable[[], bool], most: float) -> bool:
        """Run until the condition holds; False where it does not within `most` virtual seconds."""
        ready, timers = self._ready, self._timers
        events._set_running_loop(self)
        try:
            while not until():
                if not ready:
                    if not timers or timers[0][0] > most:
                        return False
                    self._now = max(self._now, timers[0][0])
                    while timers and timers[0][0] <= self._now:
                        ready.append(heapq.heappop(timers)[3])
                self._run_ready()
            return True
        finally:
            events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle.cancelled_:
                continue
            process = handle.process
            if process is not None:
                if process.dead:
                    continue
                if process.frozen:
                    process.held.append(handle)
                    continue
            self.steps += 1
            handle.context.run(handle.callback, *handle.args)

    def bury(self) -> None:
        """End what dead or finished processes left, without running any more of it than its `finally` blocks."""
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                work = task.get_coro()
                for _ in range(8):
                    try:
                        work.close()
                    except BaseException:  # noqa: BLE001 - a `finally` that would wait again: ask once more
                        continue
                    break
            else:
                with contextlib.suppress(asyncio.CancelledError):
                    task.exception()
        self._tasks.clear()
