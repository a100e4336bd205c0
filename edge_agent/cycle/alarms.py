"""Faults that last: raised once, cleared once. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge_agent.cycle.record import Happened
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import ProcessImage

FAILED = frozenset({WriteState.REFUSED, WriteState.TIMEOUT, WriteState.UNCONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Faults that stand, by name, with what they said when they were raised.

    Attributes
    ----------
    standing : mapping of str to str
        Faults that were told and are not over.
    seen : frozenset of str
        Devices that have answered since the start; one that never did is not lost.
    """

    standing: Mapping[str, str] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()

    def look(self, name: str, detail: str) -> tuple["Alarms", tuple[Happened, ...]]:
        """Look at one condition; an empty detail means that it is well.

        Returns
        -------
        tuple
            The alarms afterwards, and the event that tells a change.
        """
        stands = name in self.standing
        if bool(detail) == stands:
            return self, ()
        payload = {"alarm": name, "detail": detail or self.standing.get(name, "")}
        if detail:
            raised = replace(self, standing={**self.standing, name: detail})
            return raised, (Happened(kind="alarm.raised", payload=payload),)
        left = {key: value for key, value in self.standing.items() if key != name}
        return replace(self, standing=left), (Happened(kind="alarm.cleared", payload=payload),)

    def after_reading(
        self, image: ProcessImage, points: Mapping[str, PointId]
    ) -> tuple["Alarms", tuple[Happened, ...]]:
        """Look at the devices: one whose power is no longer known is lost until it is back.

        Parameters
        ----------
        image : ProcessImage
            This cycle's.
        points : mapping of str to PointId
            Per device the point that shows whether it answers.
        """
        known = {name for name, point in points.items() if image.value(point) is not None}
        lost = (self.seen - known) & points.keys()
        before = {name for name in points if f"device {name}" in self.standing}
        told = [
            Happened(
                kind="device.lost", payload={"device": name, "reason": _why(image, points[name])}
            )
            for name in sorted(lost - before)
        ]
        told += [
            Happened(kind="device.back", payload={"device": name}) for name in sorted(before - lost)
        ]
        standing = {k: v for k, v in self.standing.items() if k not in _names(before - lost)}
        standing |= dict.fromkeys(_names(lost), "lost")
        return replace(self, standing=standing, seen=self.seen | known), tuple(told)

    def after_writes(
        self, outcomes: Iterable[WriteOutcome]
    ) -> tuple["Alarms", tuple[Happened, ...]]:
        """Look at writes that ended: a device that does not do what it is told is an alarm."""
        alarms = self
        told: tuple[Happened, ...] = ()
        for outcome in outcomes:
            if outcome.state is WriteState.SUPERSEDED:
                continue
            failed = outcome.state in FAILED
            detail = f"{outcome.state.value}: {outcome.detail}" if failed else ""
            alarms, more = alarms.look(f"write {outcome.resource_id}", detail)
            told += more
        return alarms, told


def _names(devices: Iterable[str]) -> set[str]:
    return {f"device {name}" for name in devices}


def _why(image: ProcessImage, point: PointId) -> str:
    measurement = image.points.get(point)
    return "never read" if measurement is None else measurement.reason
