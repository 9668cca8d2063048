"""Supervisor: restarts what dies, keeps log files, stops cleanly. One configuration file and one socket a stack."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from deploy.local import orphans
from deploy.local.errors import StackError, last_lines
from deploy.local.paths import CHECKOUT, Home

START_SECONDS = 15.0
ALREADY = {60, 70}
"""Supervisor's faults ALREADY_STARTED and NOT_RUNNING: what was asked is so."""
UP_STATES = {"STARTING", "RUNNING"}
WANTED_STATES = {*UP_STATES, "BACKOFF"}

HEAD = """\
[supervisord]
logfile={log}
logfile_maxbytes=0
pidfile={pid}
childlogdir={logs}
directory={checkout}
loglevel=info
silent=true

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# startretries: a service waits for slow servers by itself, but what it cannot wait out must not leave it FATAL.
PROGRAM = """
[program:{name}]
command={command}
environment={environment}
autostart=false
autorestart=true
startsecs=2
startretries=100000
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
priority={priority}
"""


@dataclass(frozen=True)
class Program:
    """A process to supervise. `priority`: low numbers are started first and stopped last."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 500
    stop_seconds: int = 60


@dataclass(frozen=True)
class State:
    """What the supervisor knows of a process.

    `deaths`: how often it ended by itself since the stack came up; `last_death` as supervisor words it
    ("exit status 2", "terminated by SIGKILL").
    """

    name: str
    state: str
    pid: int | None
    seconds_up: int
    deaths: int
    last_death: str | None

    @property
    def wanted(self) -> bool:
        """Whether it runs or is to be brought back."""
        return self.state in WANTED_STATES

    @property
    def up(self) -> bool:
        """Whether it runs, as far as the supervisor knows."""
        return self.state in UP_STATES


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _section(home: Home, program: Program) -> str:
    environment = ",".join(f'{name}="{value}"' for name, value in sorted(program.environment.items()))
    return PROGRAM.format(
        name=program.name,
        command=_escape(shlex.join(program.command)),
        environment=_escape(environment),
        stop_seconds=program.stop_seconds,
        # Supervisor expands the path of a program's log twice.
        log=_escape(_escape(str(home.log(program.name)))),
        priority=program.priority,
    )


class Supervisor:
    """The supervisor of one stack, whether it runs yet or not."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.folder("run")
        self._config = self._folder / "supervisord.conf"
        self._log = home.log("supervisord")
        self._socket = f"unix://{home.socket}"

    def _ask(self, method: str, *arguments: Any) -> Any:
        # A transport is of no use after a refused connection, hence one for each call.
        transport = SupervisorTransport(None, None, self._socket)
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()

    def runs(self) -> bool:
        """Say whether the supervisor answers on its socket."""
        try:
            return bool(self._ask("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, ValueError):
            return False

    def apply(self, programs: Iterable[Program]) -> None:
        """Make the supervisor know exactly these programs; those that changed or went are stopped.

        Raises:
            StackError: the supervisor does not start.
        """
        head = HEAD.format(
            log=_escape(str(self._log)),
            pid=_escape(str(self._folder / "supervisord.pid")),
            logs=_escape(str(self._log.parent)),
            checkout=_escape(str(CHECKOUT)),
            socket=_escape(str(self._home.socket)),
        )
        self._config.write_text(head + "".join(_section(self._home, program) for program in programs))
        if self.runs():
            self._reload()
        else:
            self._start()

    def end_orphans(self) -> int:
        """End what a killed supervisor left behind and return how many that were; nothing where one runs."""
        if self.runs() or not self._config.is_file():
            return 0
        config = configparser.RawConfigParser()
        config.read(self._config, encoding="utf-8")
        programs = [config[section] for section in config.sections() if section.startswith("program:")]
        commands = [tuple(shlex.split(program["command"].replace("%%", "%"))) for program in programs]
        left = orphans.find_orphans(self._log, commands)
        orphans.end(left)
        return len(left)

    def _start(self) -> None:
        self._log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=_clean_environment()
        )
        until = time.monotonic() + START_SECONDS
        while not self.runs():
            if done.returncode != 0 or time.monotonic() > until:
                raise StackError(f"supervisord did not start: {done.stderr.strip()}\n{last_lines(self._log)}")
            time.sleep(0.05)

    def _reload(self) -> None:
        added, changed, removed = self._ask("reloadConfig")[0]
        self.stop([*changed, *removed])
        for name in [*changed, *removed]:
            self._ask("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._ask("addProcessGroup", name)

    def states(self) -> dict[str, State]:
        """Return what is known of every process by name; nothing where the supervisor does not run."""
        if not self.runs():
            return {}
        # The log is read after the states: supervisor writes a death down before it shows the process brought back.
        processes = self._ask("getAllProcessInfo")
        deaths = self._deaths()
        return {
            info["name"]: State(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"] or None,
                seconds_up=max(0, info["now"] - info["start"]) if info["pid"] else 0,
                deaths=len(deaths[info["name"]]),
                last_death=deaths[info["name"]][-1] if deaths[info["name"]] else None,
            )
            for info in processes
        }

    def _deaths(self) -> dict[str, list[str]]:
        """Read from the supervisor's log how each process ended by itself, in order."""
        found: dict[str, list[str]] = defaultdict(list)
        text = self._log.read_text(encoding="utf-8", errors="replace")
        for name, how in re.findall(r"exited: (\S+) \(([^;)]*)", text):
            found[name].append(how)
        return found

    def start(self, names: Collection[str]) -> None:
        """Start those processes that do not run, without waiting for them; one that waits to be retried starts now."""
        states = self.states()
        self.stop(name for name in names if states[name].state == "BACKOFF")
        for name in names:
            self._switch("startProcess", name)

    def stop(self, names: Iterable[str]) -> None:
        """Stop processes side by side and wait until all have ended."""
        names = list(names)
        for name in names:
            self._switch("stopProcess", name)
        while any(self._ask("getProcessInfo", name)["statename"] in {*WANTED_STATES, "STOPPING"} for name in names):
            time.sleep(0.1)

    def _switch(self, method: str, name: str) -> None:
        try:
            self._ask(method, name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in ALREADY:
                raise StackError(f"{name}: {fault.faultString}") from None

    def shutdown(self) -> None:
        """End the supervisor with whatever it still runs, and wait for it."""
        pid = self._ask("getPID")
        self._ask("shutdown")
        while _alive(pid):
            # A question wakes the supervisor, which else looks after its children once a second.
            self.runs()
            time.sleep(0.05)
        self._home.socket.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _clean_environment() -> dict[str, str]:
    """The environment for the supervisor: no setting of a service may slip in from the shell past its own row."""
    return {name: value for name, value in os.environ.items() if name not in {"PORT", "OPS_PORT", "HOST", "MAKEFLAGS"}}
