"""The judge of orders that clients ask: the mapping, and the site as the last cycle knew it."""

from edge_agent.northbound.port import GridOrder, OrderRefusal, Origin
from edge_agent.northbound.refusals import refusal_of
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import Signals


class SiteJudge:
    """Judges orders beforehand; asked from clients' threads, kept up to date by the cycle.

    Parameters
    ----------
    signals : Signals
        The mapping.
    facts : SiteFacts
        The site before its devices are known.
    """

    def __init__(self, signals: Signals, facts: SiteFacts) -> None:
        self.signals = signals
        self.facts = facts

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        """Why the order cannot be carried out, None if it can."""
        return refusal_of(order, self.signals, self.facts)

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Modes of a language that are supported here."""
        return self.signals.modes(origin)
