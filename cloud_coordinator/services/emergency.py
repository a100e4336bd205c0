"""Emergency: people take control of the fleet, stop it, and give it back.

The rules of who may do what when are in :mod:`cloud_coordinator.services.intervention`. This
sends what follows from them to the sites over the ordinary way down, calls operators, writes
every act into the record, and remembers over a restart. A stop is told again to every site
that is heard and not yet safe, until it is.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.alerts.alert import Alert, Severity
from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import FleetSnapshot, LinkCondition
from cloud_coordinator.services.errors import ConflictError
from cloud_coordinator.services.intervention import (
    Act,
    Asked,
    Command,
    Control,
    Verdict,
    ask_stop,
    confirm_stop,
    resume,
    step,
    tick_point,
)
from cloud_coordinator.services.overriding import OVERRIDE_VALID, powers_of
from cloud_coordinator.services.people_ports import Commanding, Note, OperatorCall, StateStore
from protocols.link.messages import Plain
from protocols.sansio.records import Change
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.mode import Mode

STOP_VALID: Final = timedelta(hours=1)
AGAIN_EVERY_S: Final = 5.0
AGAIN_MAX: Final = 500
"""Sites told again in one second."""
KEY: Final = "command"
_STOP: Final[Mapping[str, Plain]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPorts:
    """What it works with."""

    downlink: Commanding
    operators: OperatorCall
    state: StateStore
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class StopProgress:
    """How far a stop has come, as sites tell in their telemetry.

    Attributes
    ----------
    told : int
        Sites the stop was sent to.
    safe : int
        Of these, heard and in SAFE.
    waiting : tuple of SiteId
        Heard and not yet in SAFE, some of them.
    unheard : int
        Not heard: they hold their last obligation, and stop when they are back.
    without_command : tuple of SiteId
        Sites whose protocol has no stop; a person must call them.
    last_safe_after_s : float or None
        From the stop to the last site heard in SAFE; None while one is waiting.
    """

    told: int = 0
    safe: int = 0
    waiting: tuple[SiteId, ...] = ()
    unheard: int = 0
    without_command: tuple[SiteId, ...] = ()
    last_safe_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyView:
    """Who is in charge, and how a stop goes."""

    command: Command
    progress: StopProgress
    stopped_sites: tuple[SiteId, ...]


@dataclass(slots=True)
class _Stop:
    """Sites stopped one by one, and what is known of the present stop."""

    sites: set[SiteId] = field(default_factory=set)
    without_command: set[SiteId] = field(default_factory=set)
    began_ns: int = 0
    last_safe_after_s: float | None = None
    again_s: float = 0.0


class Emergency:
    """People in charge of the fleet.

    Parameters
    ----------
    fleet : Fleet
        Whom to stop, and who is safe.
    ports : EmergencyPorts
        The way down, people, memory and record.
    """

    def __init__(self, fleet: Fleet, ports: EmergencyPorts) -> None:
        self._fleet = fleet
        self._ports = ports
        self._command, self._stop = _loaded(ports.state)
        self._progress = StopProgress()

    @property
    def is_automatic(self) -> bool:
        """Whether the machine may send signals and take new awards on."""
        return self._command.control is Control.AUTOMATIC

    def view(self) -> EmergencyView:
        """Show who is in charge."""
        return EmergencyView(
            command=self._command,
            progress=self._progress,
            stopped_sites=tuple(sorted(self._stop.sites)),
        )

    def ask_stop(self, *, by: str, reason: str, now: Moment) -> EmergencyView:
        """Ask for a fleet-wide stop; raises ConflictError if it cannot be asked for."""
        asked = ask_stop(self._command, by=by, reason=reason, now_s=now.wall_s)
        self._take(asked, "emergency.asked", {"by": by, "reason": reason}, now=now)
        self._ports.operators.call("CRITICAL", f"{by} asks to stop the whole fleet: {reason}")
        return self.view()

    def confirm_stop(self, *, by: str, now: Moment) -> EmergencyView:
        """Confirm it as a second person; every site is told to stop."""
        verdict = confirm_stop(self._command, by=by, now_s=now.wall_s)
        self._take(verdict, "emergency.stopped", {"by": by}, now=now)
        return self.view()

    def hand_over(self, *, by: str, reason: str, now: Moment) -> EmergencyView:
        """HIGH: automatic control pauses, a person has it; sites hold what they were told."""
        verdict = step(self._command, Act.HIGH, by=(by,), reason=reason, now_s=now.wall_s)
        self._take(verdict, "emergency.handed", {"by": by, "reason": reason}, now=now)
        self._ports.operators.call("HIGH", f"control is with a person: {reason}")
        return self.view()

    def tick_point(self, point: str, *, by: str, now: Moment) -> EmergencyView:
        """Tick a point of the check list."""
        verdict = tick_point(self._command, point, by=by)
        self._take(verdict, "emergency.checked", {"by": by, "point": point}, now=now)
        return self.view()

    def resume(self, *, by: str, now: Moment) -> EmergencyView:
        """Give control back to the machine after the whole check list."""
        verdict = resume(self._command, by=by, now_s=now.wall_s)
        self._take(verdict, "emergency.resumed", {"by": by}, now=now)
        return self.view()

    def stop_site(self, site_id: SiteId, *, by: str, reason: str) -> EmergencyView:
        """Stop one site; one person may."""
        powers_of(self._fleet, site_id)
        self._stop.sites.add(site_id)
        self._stop.last_safe_after_s = None
        self._save()
        self._ports.note("site.stopped", {"site": site_id, "by": by, "reason": reason})
        self._tell(site_id, "stop")
        return self.view()

    def release_site(self, site_id: SiteId, *, by: str) -> EmergencyView:
        """End the stop of one site, and every override an operator set there."""
        powers_of(self._fleet, site_id)
        if self._command.control is Control.STOPPED:
            raise ConflictError("the whole fleet is stopped; resume with the check list")
        self._stop.sites.discard(site_id)
        self._save()
        self._ports.note("site.released", {"site": site_id, "by": by})
        self._tell(site_id, "resume")
        payload: Mapping[str, Plain] = {"by": by, "reason": "released"}
        self._ports.downlink.send_command(site_id, "release", payload, valid=OVERRIDE_VALID)
        return self.view()

    def alarmed(self, alerts: tuple[Alert, ...], now: Moment) -> None:
        """Act on alerts: HIGH calls people; CRITICAL also stops the sites it is about.

        A machine never stops the whole fleet: with no site to name, control goes to a person.
        """
        for alert in alerts:
            if alert.severity < Severity.HIGH:
                continue
            self._ports.operators.call(
                alert.severity.name, f"{alert.rule} at {alert.place}: {alert.evidence[-1]}"
            )
            if alert.severity is not Severity.CRITICAL:
                continue
            site_id = SiteId(alert.place.split("/", 1)[0])
            if self._fleet.index_of(site_id) is not None:
                self.stop_site(site_id, by="alerts", reason=alert.rule)
            elif self.is_automatic:
                self.hand_over(by="alerts", reason=f"{alert.rule} at {alert.place}", now=now)

    def tick(self, now: Moment) -> None:
        """Look how a stop goes, and tell again whom it has not reached."""
        if self._command.control is not Control.STOPPED and not self._stop.sites:
            self._progress = StopProgress()
            return
        snapshot = self._fleet.snapshot(now)
        wanted = self._wanted(snapshot)
        live = wanted & (snapshot.condition == LinkCondition.LIVE)
        safe = live & (snapshot.mode == float(Mode.SAFE))
        waiting = np.flatnonzero(live & ~safe)
        if len(waiting) == 0 and safe.any() and self._stop.last_safe_after_s is None:
            self._stop.last_safe_after_s = (now.monotonic_ns - self._stop.began_ns) / 1e9
        sites = tuple(snapshot.sites[row] for row in waiting[:AGAIN_MAX].tolist())
        self._progress = StopProgress(
            told=int(wanted.sum()),
            safe=int(safe.sum()),
            waiting=sites[:20],
            unheard=int((wanted & ~live).sum()),
            without_command=tuple(sorted(self._stop.without_command)),
            last_safe_after_s=self._stop.last_safe_after_s,
        )
        if now.wall_s - self._stop.again_s >= AGAIN_EVERY_S:
            self._stop.again_s = now.wall_s
            for site_id in sites:
                self._tell(site_id, "stop")

    def _wanted(self, snapshot: FleetSnapshot) -> npt.NDArray[np.bool_]:
        if self._command.control is Control.STOPPED:
            return np.ones(len(snapshot.sites), dtype=np.bool_)
        return np.array([site in self._stop.sites for site in snapshot.sites], dtype=np.bool_)

    def _take(
        self, verdict: Verdict, kind: str, payload: Mapping[str, Plain], *, now: Moment
    ) -> None:
        """Make a verdict the state: written down first, then done."""
        if verdict.refused:
            self._ports.note("emergency.refused", {**payload, "reason": verdict.refused})
            raise ConflictError(verdict.refused)
        before, self._command = self._command.control, verdict.command
        self._save()
        self._ports.note(kind, payload)
        after = verdict.command.control
        if after is before:
            return
        if after is Control.STOPPED:
            self._stop = _Stop(
                sites=self._stop.sites, began_ns=now.monotonic_ns, again_s=now.wall_s
            )
            self._tell_all("stop", now)
            text = f"the fleet is stopped: {verdict.command.reason}"
            self._ports.operators.call("CRITICAL", text)
        elif before is Control.STOPPED:
            self._tell_all("resume", now)

    def _tell_all(self, kind: str, now: Moment) -> None:
        for site_id in self._fleet.snapshot(now).sites:
            if kind == "stop" or site_id not in self._stop.sites:
                self._tell(site_id, kind)

    def _tell(self, site_id: SiteId, kind: str) -> None:
        if not self._ports.downlink.send_command(site_id, kind, _STOP, valid=STOP_VALID):
            self._stop.without_command.add(site_id)

    def _save(self) -> None:
        plain = {
            "command": {**asdict(self._command), "control": self._command.control.value},
            "sites": sorted(self._stop.sites),
        }
        self._ports.state.put([Change(key=KEY, value=json.dumps(plain).encode())])


def _loaded(state: StateStore) -> tuple[Command, _Stop]:
    """Read what an earlier run left: a stop outlives the program."""
    stored = state.load().get(KEY)
    if stored is None:
        return Command(), _Stop()
    plain = json.loads(stored)
    found = plain["command"]
    asked = found["asked"]
    command = Command(
        **{
            **found,
            "control": Control(found["control"]),
            "by": tuple(found["by"]),
            "asked": None if asked is None else Asked(**asked),
        }
    )
    return command, _Stop(sites={SiteId(name) for name in plain["sites"]})
