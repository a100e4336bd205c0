"""What a person's hand does to a site: override a device, give it back, make the site safe. Pure.

The orders come through the technician's door on the gateway, without any network, or as a
command of the coordinator's operators. Both are the same words and end in the same memory,
which is journaled with the cycle: a restarted agent goes on with them, and a replay sees them.
An override always ends by itself; being safe does not, a person must end it.
"""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from edge_agent.control.limits import Limit, technician_override
from edge_agent.cycle.record import Happened
from protocols.link.messages import Plain
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Capability, Resource

OVERRIDE_MAX: Final = timedelta(hours=4)
"""Longest override: the mode table's ``override_max_s``."""
ORDER_AGE_MAX: Final = timedelta(seconds=30)
"""An order that nobody took in time is refused: whoever gave it has gone on."""
AHEAD_MAX: Final = timedelta(seconds=2)
DONE_KEPT: Final = 64
WORDS_MAX: Final = 200
_STEERED: Final = frozenset({Capability.TAKES_SETPOINT, Capability.TAKES_LIMIT})


class HandKind(enum.Enum):
    """What a person may order.

    OVERRIDE holds one device at a power until a time. RELEASE ends the override of one device,
    or every override and the safe state. SAFE lets every device go, until RELEASE.
    """

    OVERRIDE = "override"
    RELEASE = "release"
    SAFE = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOrder:
    """One order.

    Attributes
    ----------
    order_id : str
        Made by whoever gives it; the same again is done once.
    kind : HandKind
        What is wanted.
    by, reason : str
        Who, and why; both are journaled.
    given_at : datetime
        Aware UTC.
    resource_id : ResourceId or None
        Of one device; None for the whole site.
    power_w : float or None
        W, generator frame; for OVERRIDE.
    until : datetime or None
        End of an OVERRIDE, aware UTC.
    is_remote : bool
        Whether it came from the coordinator; such a release never ends what a technician at
        the site began.
    """

    order_id: str
    kind: HandKind
    by: str
    given_at: datetime
    reason: str = ""
    resource_id: ResourceId | None = None
    power_w: float | None = None
    until: datetime | None = None
    is_remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A device in a person's hand: power in W, generator frame, until a time."""

    resource_id: ResourceId
    power_w: float
    until: datetime
    by: str
    is_remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMemory:
    """What a person's hand holds.

    Attributes
    ----------
    overrides : tuple of Override
        One a device at most.
    safe_by : str
        Who made the site safe at the gateway; empty if nobody did.
    done : tuple of str
        Orders taken last.
    """

    overrides: tuple[Override, ...] = ()
    safe_by: str = ""
    done: tuple[str, ...] = ()

    def left_s(self, now: datetime) -> float:
        """Time until the last override ends, s; 0 without one."""
        ends = [(one.until - now).total_seconds() for one in self.overrides]
        return min(max([0.0, *ends]), OVERRIDE_MAX.total_seconds())

    def limits(self) -> tuple[Limit, ...]:
        """Return the overrides as limits of the technician's authority."""
        return tuple(
            technician_override(one.resource_id, one.power_w, valid_until=one.until, source=one.by)
            for one in self.overrides
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HandTaken:
    """What became of some orders.

    Attributes
    ----------
    memory : HandMemory
        Afterwards.
    happened : tuple of Happened
        To be journaled, and told to the coordinator.
    answers : mapping of str to str
        Per order why it is refused; empty if it is done.
    """

    memory: HandMemory
    happened: tuple[Happened, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


def take_hand(
    memory: HandMemory,
    orders: Sequence[HandOrder],
    *,
    resources: Iterable[Resource],
    now: datetime,
) -> HandTaken:
    """Apply orders, and let end what is over.

    Parameters
    ----------
    memory : HandMemory
        As the last cycle left it.
    orders : sequence of HandOrder
        In the order they came.
    resources : iterable of Resource
        What the site has now.
    now : datetime
        Aware UTC.
    """
    memory, happened = _expired(memory, now)
    known = {resource.resource_id: resource for resource in resources}
    answers: dict[str, str] = {}
    for order in orders:
        if order.order_id in memory.done:
            answers[order.order_id] = ""
            continue
        cause = refusal(order, known, now)
        answers[order.order_id] = cause
        if cause:
            told = {"order": order.order_id, "kind": order.kind.value, "by": order.by}
            happened.append(Happened(kind="override.refused", payload={**told, "reason": cause}))
            continue
        memory, told_of = _applied(memory, order)
        memory = replace(memory, done=(*memory.done, order.order_id)[-DONE_KEPT:])
        happened += told_of
    return HandTaken(memory=memory, happened=tuple(happened), answers=answers)


def refusal(order: HandOrder, known: Mapping[ResourceId, Resource], now: datetime) -> str:
    """Why an order is not carried out, with field and cause; empty if it is."""
    if not order.by.strip() or len(order.by) > WORDS_MAX or len(order.reason) > WORDS_MAX:
        return f"by: name who orders this, in at most {WORDS_MAX} characters"
    if not now - ORDER_AGE_MAX <= order.given_at <= now + AHEAD_MAX:
        return f"given_at: the order is {(now - order.given_at).total_seconds():.0f} s old"
    if order.resource_id is not None and order.resource_id not in known:
        return f"device: there is no {order.resource_id} here"
    return _bad_override(order, known, now) if order.kind is HandKind.OVERRIDE else ""


def _bad_override(order: HandOrder, known: Mapping[ResourceId, Resource], now: datetime) -> str:
    if order.resource_id is None:
        return "device: an override names one device"
    resource = known[order.resource_id]
    if not _STEERED & set(resource.capabilities):
        return f"device: {order.resource_id} takes no power"
    low_w, high_w = resource.power_w_min, resource.power_w_max
    if order.power_w is None or not math.isfinite(order.power_w):
        return "power_w: must be a number of W"
    if not low_w <= order.power_w <= high_w:
        return f"power_w: {order.power_w:.0f} W is outside {low_w:.0f} .. {high_w:.0f} W"
    if order.until is None or not now < order.until <= now + OVERRIDE_MAX + AHEAD_MAX:
        hours = OVERRIDE_MAX.total_seconds() / 3600.0
        return f"until: an override ends within {hours:.0f} hours"
    return ""


def _expired(memory: HandMemory, now: datetime) -> tuple[HandMemory, list[Happened]]:
    over = [one for one in memory.overrides if one.until <= now]
    if not over:
        return memory, []
    left = tuple(one for one in memory.overrides if one.until > now)
    return replace(memory, overrides=left), [_ended(one, "expired", "") for one in over]


def _applied(memory: HandMemory, order: HandOrder) -> tuple[HandMemory, list[Happened]]:
    if order.kind is HandKind.SAFE:
        told = Happened(kind="safe.entered", payload={"by": order.by, "reason": order.reason})
        return replace(memory, safe_by=order.by), [told]
    if order.kind is HandKind.RELEASE:
        return _released(memory, order)
    assert order.resource_id is not None, "refusal() asks for the device"
    assert order.power_w is not None, "refusal() asks for the power"
    assert order.until is not None, "refusal() asks for the end"
    others = tuple(one for one in memory.overrides if one.resource_id != order.resource_id)
    override = Override(
        resource_id=order.resource_id,
        power_w=order.power_w,
        until=order.until,
        by=order.by,
        is_remote=order.is_remote,
    )
    payload: dict[str, Plain] = {
        "resource_id": str(order.resource_id),
        "power_w": order.power_w,
        "until_s": int(order.until.timestamp()),
        "by": order.by,
        "reason": order.reason,
    }
    told = Happened(kind="override.set", payload=payload)
    return replace(memory, overrides=(*others, override)), [told]


def _released(memory: HandMemory, order: HandOrder) -> tuple[HandMemory, list[Happened]]:
    ending = [
        one
        for one in memory.overrides
        if order.resource_id in {None, one.resource_id} and (one.is_remote or not order.is_remote)
    ]
    told = [_ended(one, "released", order.by) for one in ending]
    left = tuple(one for one in memory.overrides if one not in ending)
    memory = replace(memory, overrides=left)
    if memory.safe_by and order.resource_id is None and not order.is_remote:
        told.append(Happened(kind="safe.left", payload={"by": order.by, "reason": order.reason}))
        memory = replace(memory, safe_by="")
    return memory, told


def _ended(override: Override, reason: str, by: str) -> Happened:
    payload = {"resource_id": str(override.resource_id), "reason": reason, "by": by}
    return Happened(kind="override.ended", payload=payload)
