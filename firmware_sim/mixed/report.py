"""What a run of a mixed site comes to: a table for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from firmware_sim.mixed.compare import (
    AHEAD_S,
    APPLIED_SLACK_S,
    HELD_SLACK_S,
    POWER_SHARE,
    POWER_SLACK_W,
    WINDOW_S,
    Comparison,
)
from firmware_sim.mixed.plant import METER
from firmware_sim.mixed.run import RunFacts

FORMAT: Final = "vpp-sim-site/1"
TOLERANCES: Final[Mapping[str, str]] = {
    "setpoint": f"device's step, {POWER_SHARE:.0%} of its rating, at least {POWER_SLACK_W:g} W; "
    f"in force within {APPLIED_SLACK_S:g} s",
    "lease": f"an order ends at most {HELD_SLACK_S:g} s after its lease",
    "good power": f"what the device had from {WINDOW_S:g} s before to {AHEAD_S:g} s after it was "
    f"measured, {POWER_SHARE:.0%} of its rating, at least {POWER_SLACK_W:g} W",
    "good age": "the point's greatest age in the agent's own table",
}
_COUNTS: Final = (
    ("applied", "setpoints applied"),
    ("unmatched", "without one in the journal"),
    ("released", "given back"),
    ("reverted", "fell back by itself"),
    ("held_over", "held beyond the lease"),
    ("done", "told as done"),
    ("done_wrongly", "that it had not"),
    ("good", "powers told as good"),
    ("good_wrong", "it did not have"),
    ("good_dead", "of a dead device"),
    ("good_stale", "too old"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """What a run came to.

    Attributes
    ----------
    protocols : mapping of str to str
        Protocol of each device.
    devices : mapping of str to Comparison
        By device id.
    facts : RunFacts
        Kills and processor time.
    cycle_ms : mapping of str to float
        p50, p99, p999, max and samples of a cycle's own work.
    steps_ms : mapping of str to mapping
        The same per step of it, and ``read``, which waits for the devices.
    cycles : int
        Cycles the journal holds.
    missing : sequence of str
        What could not be simulated, and why.
    """

    protocols: Mapping[str, str]
    devices: Mapping[str, Comparison]
    facts: RunFacts
    cycle_ms: Mapping[str, float]
    steps_ms: Mapping[str, Mapping[str, float]]
    cycles: int
    missing: Sequence[str]

    @property
    def problems(self) -> list[str]:
        """Why the run is not good; empty if it is."""
        found = [text for one in self.devices.values() if not one.ok for text in one.findings]
        if not self.cycles:
            found.append("the journal holds no cycle")
        asked_for = {self.protocols[name] for name in self.devices if name != METER}
        for protocol, total in by_protocol(self).items():
            if protocol in asked_for and not total.applied:
                found.append(f"{protocol}: no device was ever given a setpoint")
            if not total.good:
                found.append(f"{protocol}: no power was ever told as good")
        return found

    def plain(self) -> dict[str, Any]:
        """Return JSON's own types."""
        return {
            "format": FORMAT,
            "ok": not self.problems,
            "problems": self.problems,
            "missing": list(self.missing),
            "cycles": self.cycles,
            "cycle_ms": dict(self.cycle_ms),
            "steps_ms": {name: dict(times) for name, times in self.steps_ms.items()},
            "agent_cpu_share": self.facts.cpu_share,
            "killed": self.facts.killed,
            "tolerances": dict(TOLERANCES),
            "protocols": {name: asdict(one) for name, one in by_protocol(self).items()},
            "devices": {
                name: {"protocol": self.protocols[name], **asdict(one)}
                for name, one in self.devices.items()
            },
        }


def by_protocol(report: SiteReport) -> dict[str, Comparison]:
    """Sum of the devices of each protocol."""
    sums: dict[str, Comparison] = {}
    for name, one in report.devices.items():
        sums.setdefault(report.protocols[name], Comparison()).add(one)
    return sums


def show(report: SiteReport, console: Console) -> None:
    """Print the report for people."""
    table = Table(title="truth of the devices against the agent's journal")
    table.add_column("")
    sums = by_protocol(report)
    for protocol in sums:
        table.add_column(protocol, justify="right")
    counts = dict.fromkeys(sums, 0)
    for name in report.devices:
        counts[report.protocols[name]] += 1
    table.add_row("devices", *(str(counts[protocol]) for protocol in sums))
    for key, words in _COUNTS:
        table.add_row(words, *(str(getattr(one, key)) for one in sums.values()))
    console.print(table)
    times = report.cycle_ms
    share = report.facts.cpu_share
    console.print(
        f"cycles {report.cycles}: p50 {times.get('p50', 0.0):.1f} ms, "
        f"p99 {times.get('p99', 0.0):.1f} ms, p99.9 {times.get('p999', 0.0):.1f} ms, "
        f"max {times.get('max', 0.0):.1f} ms"
    )
    steps = {name: one["p999"] for name, one in report.steps_ms.items() if name != "read"}
    if steps:
        longest = max(steps, key=lambda name: steps[name])
        console.print(f"longest step: {longest}, p99.9 {steps[longest]:.1f} ms")
    console.print(f"agent: {'unknown' if share is None else f'{share:.1%}'} of one core")
    for killed in report.facts.killed:
        console.print(f"killed -9: {killed['name']}")
    for missing in report.missing:
        console.print(f"missing: {missing}")
    for problem in report.problems:
        console.print(f"[red]wrong[/red]: {problem}", highlight=False)
    console.print("every number fits" if not report.problems else "not every number fits")
