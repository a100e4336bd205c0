"""Which orders a site cannot carry out, and why. Pure.

Clients ask before an order begins, to answer in their protocol's terms; meaning asks each cycle.
"""

import math
from typing import Final

from edge_agent.northbound.port import GridOrder, OrderRefusal, RefusalKind
from edge_agent.northbound.scaling import SiteFacts, level_ratio, reaches, short_name
from edge_agent.northbound.signals import Becomes, Signal, Signals, Unit

TEXT_MAX: Final = 160


def refusal_of(order: GridOrder, signals: Signals, facts: SiteFacts) -> OrderRefusal | None:
    """Say why an order cannot be carried out, None if it can.

    Parameters
    ----------
    order : GridOrder
        Any, also a future one.
    signals : Signals
        The mapping.
    facts : SiteFacts
        The site.
    """
    signal = signals.supported.get((order.origin, order.mode))
    if signal is None:
        known = signals.unsupported.get((order.origin, order.mode))
        why = "is not known here" if known is None else known.why
        return _refused(RefusalKind.UNSUPPORTED, order, why)
    if signal.unit is Unit.WATT and order.unit not in {"", "W"}:
        return _refused(RefusalKind.INVALID, order, f"{printable(order.unit)!r} is not W")
    if wrong := _wrong_value(order.value, signal):
        return _refused(RefusalKind.INVALID, order, wrong)
    if unable := _unable(order, signal, facts):
        return _refused(RefusalKind.UNABLE, order, unable)
    return None


def _wrong_value(value: float, signal: Signal) -> str:
    """Say what is wrong with a number, empty if nothing is."""
    low, high = signal.values
    if not math.isfinite(value) or not low <= value <= high:
        return f"{value:g} is not in {low:g}..{high:g}"
    if signal.unit is Unit.OFF and value not in {0.0, 1.0}:
        return f"{value:g} is neither 0 nor 1"
    if signal.unit is Unit.LEVEL and level_ratio(signal, value) is None:
        return f"{value:g} is no level of 0..{len(signal.levels) - 1}"
    return ""


def _unable(order: GridOrder, signal: Signal, facts: SiteFacts) -> str:
    """Say what the site lacks, empty if nothing."""
    if order.targets and not signal.takes_targets:
        return "only the whole site, not resources by name"
    if not facts.complete:
        return ""
    known = {short_name(one) for one in facts.resources}
    unknown = [name for name in order.targets if name not in known]
    if unknown:
        return f"no resource {printable(unknown[0])!r} here"
    if signal.becomes is Becomes.LIMIT and not reaches(signal, order, facts):
        return "the site has no resource for it"
    return ""


def _refused(kind: RefusalKind, order: GridOrder, why: str) -> OrderRefusal:
    return OrderRefusal(kind=kind, cause=f"{printable(order.mode)}: {why}")


def printable(word: str) -> str:
    """Word of a peer, made fit for a line of text and short."""
    return "".join(sign if sign.isprintable() else " " for sign in word)[:TEXT_MAX]
