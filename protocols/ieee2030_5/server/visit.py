"""One request on its way through the tree: who, when, which numbers, which page."""

from dataclasses import dataclass

from protocols.ieee2030_5.server.caller import Caller
from protocols.ieee2030_5.server.paging import Page
from protocols.ieee2030_5.server.schedule import Schedule
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.server.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page of the tree is made from.

    Attributes
    ----------
    state : State
        What the server knows.
    settings : ServerSettings
        What its operator decided.
    schedule : Schedule
        The controls at a moment.
    caller : Caller
        Who asks.
    now : int
        s since 1970.
    numbers : tuple of int
        Those in the address, in their order.
    page : Page
        Of a list.
    """

    state: State
    settings: ServerSettings
    schedule: Schedule
    caller: Caller
    now: int
    numbers: tuple[int, ...]
    page: Page

    def rate_s(self, kind: str) -> int:
        """Poll rate of a kind of resource, by the standard's name."""
        set_rate = self.state.rates.get(f"{self.caller.lfdi}/{kind}")
        return self.settings.poll_rate_s if set_rate is None else set_rate.seconds
