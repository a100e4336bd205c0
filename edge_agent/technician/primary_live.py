"""``primary test --live``: makes the recording that ``primary test`` judges, with the devices.

Refuses while an agent runs, during an obligation or an order of the grid, and under an
emergency stop.
What was recorded until then is also written when the command is stopped.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from edge_agent.config.site import SiteConfig
from edge_agent.control.step_plan import length_s
from edge_agent.cycle.memory import load_memory
from edge_agent.drivers.frames import NO_TAP
from edge_agent.journal.reader import JournalReader
from edge_agent.northbound.port import OrderState
from edge_agent.technician.bench import device_named
from edge_agent.technician.opening import open_to_move
from edge_agent.technician.step_bench import REST_S, StepBench
from edge_agent.technician.step_file import recording_text
from edge_agent.technician.step_run import DeviceRun, StepProgress, StepTerms
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock, Interval
from protocols.vocabulary.obligation import ObligationState

NOTICE_S: Final = 60.0
"""Kept free before an obligation begins, and for finding the devices."""
_OVER: Final = frozenset({ObligationState.REFUSED, ObligationState.DONE, ObligationState.CANCELLED})


_HELD: Final = frozenset({OrderState.RECEIVED, OrderState.STARTED, OrderState.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWish:
    """What a technician wants of a live test.

    Attributes
    ----------
    devices : tuple of str
        Empty for every device that takes a setpoint.
    terms : StepTerms
        How.
    target : Path or None
        Where the recording goes; None: beside the journal, named by the time.
    """

    devices: tuple[str, ...]
    terms: StepTerms
    target: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTest:
    """What came of it.

    Attributes
    ----------
    recording : Path
        The file.
    frequency_from : str
        Device whose frequency was recorded; empty if none measures it.
    devices : tuple of DeviceRun
        In the order they were tested.
    """

    recording: Path
    frequency_from: str
    devices: tuple[DeviceRun, ...]

    @property
    def moved(self) -> bool:
        """Whether any device was."""
        return any(run.told for run in self.devices)


def live_test(config: SiteConfig, clock: Clock, wish: LiveWish) -> LiveTest:
    """Move the devices and write the recording.

    Raises
    ------
    ConfigError
        If it must not be done now, a device has no such name, or the file cannot be written.
    """
    for name in wish.devices:
        device_named(config, name)
    count = len(wish.devices) or len(config.devices) - 1
    each_s = length_s(wish.terms.hold_s) + REST_S
    refuse_if_needed(config, clock, test_s=NOTICE_S + count * each_s)
    target = wish.target or config.data_dir / f"step-test-{clock.now():%Y%m%dT%H%M%SZ}.csv"
    bench: StepBench | None = None

    async def run(screen: "_Screen") -> None:
        nonlocal bench
        async with open_to_move(config, clock, NO_TAP) as driver:
            bench = StepBench(config, driver, clock, terms=wish.terms, watch=screen.show)
            await bench.test(wish.devices)

    try:
        with _Screen(Console(stderr=True)) as screen:
            asyncio.run(run(screen))
    finally:
        if bench is not None and bench.runs:
            _keep(bench, target)
    assert bench is not None, "the test has run"
    return LiveTest(recording=target, frequency_from=bench.source, devices=tuple(bench.runs))


def refuse_if_needed(config: SiteConfig, clock: Clock, *, test_s: float) -> None:
    """Refuse a test that would break an obligation, an order or an emergency stop.

    Raises
    ------
    ConfigError
        Saying which, and until when.
    """
    if not config.journal_path.is_file():
        return
    reader = JournalReader(config.journal_path)
    try:
        memory = load_memory(reader.state)
    finally:
        reader.close()
    if memory.stopped:
        raise ConfigError("an emergency stop is in force: no device may be moved")
    now = clock.now()
    wanted = Interval(start=now, end=now + timedelta(seconds=test_s))
    owed = [one.obligation for one in memory.commitments if one.obligation.state not in _OVER]
    holding = [(f"obligation {one.obligation_id}", one.interval) for one in owed]
    orders = [note.order for note in memory.orders if note.state in _HELD]
    holding += [(f"order {one.order_id} of {one.issued_by}", one.interval) for one in orders]
    for name, interval in holding:
        if interval.overlaps(wanted):
            raise ConfigError(
                f"{name} holds from {interval.start:%F %T} to {interval.end:%F %T} UTC; "
                f"a test of up to {test_s:.0f} s would break it"
            )


def _keep(bench: StepBench, target: Path) -> None:
    """Write the recording, and say which devices were not given back."""
    text = recording_text(bench.runs, bench.heard, source=bench.source, started_at=bench.started_at)
    _say_given_back(bench.runs)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror or error}") from error
    sys.stderr.write(f"recorded in {target}\n")


def _say_given_back(runs: Sequence[DeviceRun]) -> None:
    for run in runs:
        if not run.given_back:
            detail = "" if run.released is None else run.released.detail
            sys.stderr.write(
                f"{run.device_id} did not confirm that it was given back ({detail}); "
                "the watchdog tries once more, and the agent when it starts 解放未確認\n"
            )


class _Screen:
    """Progress on standard error: a bar on a terminal, else a line per device and step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = ("", "")
        self._step = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "_Screen":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: StepProgress) -> None:
        """Show how far the test is."""
        self._step = progress.step or self._step
        said = (progress.device_id, self._step)
        text = " ".join(part for part in said if part)
        if said != self._said and not self._console.is_terminal:
            sys.stderr.write(f"{text}\n")
        self._said = said
        power = "" if progress.power_w is None else f" {progress.power_w:+,.0f} W"
        if self._task is None:
            self._task = self._bar.add_task(text, total=progress.length_s)
        self._bar.update(
            self._task,
            description=f"{text}{power}",
            total=progress.length_s,
            completed=min(progress.done_s, progress.length_s),
        )
