"""Child processes that never outlive the demo: start, watch, kill, start again, end.

Each child has its own session, so Ctrl-C at the terminal reaches the demo alone, which ends the
others in order. The kernel sends a child SIGTERM when the demo dies, and gives the demo the
orphans of children that were killed, so that these are ended too. Linux only for both; elsewhere
the children are ended by the demo's own clean-up.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from protocols.vocabulary.errors import ConfigError, VppError

READY_LINE_BYTES: Final = 65_536
STOP_TIMEOUT_S: Final = 6.0
KILL_TIMEOUT_S: Final = 2.0
EXIT_BAD_INPUT: Final = 2
TAIL_LINES: Final = 12
_TAIL_BYTES: Final = 16_384
_POLL_S: Final = 0.05
_PR_SET_CHILD_SUBREAPER: Final = 36
_BECOME: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: cannot be started: {error.strerror}")
"""


class ProgramError(VppError):
    """A program of the run ended or hung when it should not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program as an operator would start it.

    Attributes
    ----------
    name : str
        For people, and the name of its log.
    command : tuple of str
        Words of the command line.
    log : Path
        Where its standard error goes, and its standard output after the first line.
    ready_event : str
        ``event`` of the JSON line on its standard output that says it works; empty for none.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    ready_event: str = ""


class Child:
    """A running program.

    Parameters
    ----------
    program : Program
        What to run.
    environment : mapping of str to str
        Its environment.
    """

    def __init__(self, program: Program, environment: Mapping[str, str]) -> None:
        self.program = program
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self.expected_to_run = False

    @property
    def pid(self) -> int:
        """Process id, 0 before it was started."""
        return 0 if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal, None while it runs or before it was started."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it, again if it ran before.

        Raises
        ------
        ProgramError
            If there is no such program.
        """
        self._ready = asyncio.get_running_loop().create_future()
        with self.program.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *dying_with_parent(self.program.command),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    limit=READY_LINE_BYTES,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(f"{self.program.name}: cannot be started: {error}") from None
        self.expected_to_run = True
        self._reading = asyncio.create_task(self._read(self._process, self._ready))

    async def ready(self, timeout_s: float) -> dict[str, Any]:
        """Wait for the line that says it works and return it.

        Raises
        ------
        ProgramError
            If it ends before, or the time is over; with the end of its log.
        ConfigError
            If it ends before because it refuses what it was given.
        """
        assert self._ready is not None, "start() comes first"
        try:
            return await asyncio.wait_for(asyncio.shield(self._ready), timeout_s)
        except TimeoutError:
            raise ProgramError(self.complaint(f"did not start within {timeout_s:.0f} s")) from None

    def kill(self) -> None:
        """Kill -9; the caller starts it again."""
        self.expected_to_run = False
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """SIGTERM, then SIGKILL when the time is over; True if it ended by itself."""
        self.expected_to_run = False
        process = self._process
        if process is None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        clean = await self.ended(timeout_s)
        if not clean:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await self.ended(KILL_TIMEOUT_S)
        return clean

    async def ended(self, timeout_s: float) -> bool:
        """Wait until it is gone and its output is read; False if the time was not enough."""
        if self._process is None:
            return True
        try:
            await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            return False
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        return True

    def complaint(self, what: str) -> str:
        """One line about it, then the end of its log."""
        tail = "\n".join(f"  | {line}" for line in tail_of(self.program.log))
        return f"{self.program.name}: {what}; end of {self.program.log}:\n{tail}"

    async def _read(
        self, process: asyncio.subprocess.Process, ready: asyncio.Future[dict[str, Any]]
    ) -> None:
        """Find the ready line; what else comes goes to the log."""
        assert process.stdout is not None, "its output is a pipe"
        with self.program.log.open("ab", buffering=0) as log:
            while line := await _line(process.stdout):
                said = _json_object(line)
                if not ready.done() and said.get("event") == self.program.ready_event != "":
                    ready.set_result(said)
                log.write(line)
        code = await process.wait()
        if not ready.done():
            ready.set_exception(self._failed_start(code))
            ready.exception()

    def _failed_start(self, code: int) -> VppError:
        """Say why it did not start; a program that refused its input said so in one line."""
        said = tail_of(self.program.log, 1)
        if code == EXIT_BAD_INPUT and said:
            return ConfigError(f"{self.program.name}: {said[0]}")
        return ProgramError(self.complaint(f"ended at start, code {code}"))


class Family:
    """All children of a run.

    Parameters
    ----------
    environment : mapping of str to str
        What the children get.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.children: dict[str, Child] = {}
        adopt_orphans()

    async def start(self, program: Program) -> Child:
        """Start a program under its name."""
        child = Child(program, self._environment)
        self.children[program.name] = child
        await child.start()
        return child

    def check(self) -> None:
        """Look for children that ended although they should run.

        Raises
        ------
        ProgramError
            With the end of the log.
        """
        for child in self.children.values():
            if child.expected_to_run and child.returncode is not None:
                raise ProgramError(child.complaint(f"ended, code {child.returncode}"))

    async def stop(self, names: Sequence[str]) -> list[str]:
        """End some children at once; return those that had to be killed."""
        chosen = [self.children[name] for name in names if name in self.children]
        clean = await asyncio.gather(*(child.stop() for child in chosen))
        return [child.program.name for child, good in zip(chosen, clean, strict=True) if not good]

    async def end(self, groups: Sequence[Sequence[str]]) -> None:
        """End all children, group after group, then every orphan that came to us.

        Parameters
        ----------
        groups : sequence of sequence of str
            Names; children that are in none come last.
        """
        named = {name for group in groups for name in group}
        for group in (*groups, [name for name in self.children if name not in named]):
            await self.stop(group)
        await end_orphans()


@contextlib.contextmanager
def first_error() -> Iterator[None]:
    """Raise the first error of a group of tasks instead of the group."""
    try:
        yield
    except ExceptionGroup as group:
        raise _leaf(group) from None


def once(act: Callable[[], object]) -> Callable[[], None]:
    """Act on the first call only, so that a second Ctrl-C does not break the clean-up."""
    calls: list[None] = []

    def called() -> None:
        calls.append(None)
        if len(calls) == 1:
            act()

    return called


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


async def end_orphans() -> None:
    """SIGTERM, then SIGKILL everything that is still our child."""
    for number, timeout_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
        for pid in own_children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while own_children() and asyncio.get_running_loop().time() < deadline:
            reap()
            await asyncio.sleep(_POLL_S)


def reap() -> None:
    """Take the exit codes of adopted orphans; the children we started are asyncio's."""
    for pid in own_children(dead=True):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def own_children(*, dead: bool = False) -> list[int]:
    """Return process ids of our living (or only our dead, unreaped) children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and (state in "ZX") == dead:
                found.append(int(entry.parent.name))
    return found


def dying_with_parent(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command line that lets the kernel end the program when this process dies.

    A small program asks for that and then becomes the one that is wanted, so that no code runs
    between fork and exec of a process with threads.
    """
    if not sys.platform.startswith("linux"):
        return tuple(command)
    return (sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command)


def tail_of(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Last lines of a log; empty if there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _leaf(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Next line; a line that is too long comes in pieces."""
    try:
        return await stream.readline()
    except ValueError:
        return await stream.read(READY_LINE_BYTES)


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
