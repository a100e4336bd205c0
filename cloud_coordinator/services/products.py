"""Products: how each product of the balancing market is carried out by a running coordinator.

Pure data. Called by awarding, commands, dispatching, learning and queries.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.vocabulary.obligation import Service


class Followed(enum.Enum):
    """What the sites of an award follow.

    COMMAND is the operator's, as one multiplier for all. FREQUENCY is the grid's own: each site
    answers it by itself, and nothing is sent while the award runs.
    """

    COMMAND = "command"
    FREQUENCY = "frequency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a product is carried out.

    Attributes
    ----------
    followed : Followed
        What its sites follow.
    downward : bool
        Whether less than the baseline may be asked for too: awards are of upward power, but a
        regulation signal and the frequency swing to both sides.
    simple_line : bool
        Whether its commands may come on the simple line (簡易指令, OpenADR).
    """

    followed: Followed
    downward: bool
    simple_line: bool = False


MANNERS: Final[Mapping[Service, Manner]] = {
    Service.PRIMARY: Manner(followed=Followed.FREQUENCY, downward=True),
    Service.PRIMARY_OFFLINE: Manner(followed=Followed.FREQUENCY, downward=True),
    Service.SECONDARY_1: Manner(followed=Followed.COMMAND, downward=True),
    Service.SECONDARY_2: Manner(followed=Followed.COMMAND, downward=False, simple_line=True),
    Service.TERTIARY_1: Manner(followed=Followed.COMMAND, downward=False, simple_line=True),
    Service.TERTIARY_2: Manner(followed=Followed.COMMAND, downward=False, simple_line=True),
}
"""The others are refused (:data:`REFUSED`), never carried out halfway."""

REFUSED: Final[Mapping[Service, str]] = {
    Service.COMPOUND: (
        "compound is not carried out: the rules do not say how a droop response and a command in "
        "one measured power are told apart; award its products one by one"
    ),
    Service.ENERGY: "energy is traded at the exchange, not awarded: it has no capacity to keep",
}


def follows_frequency(service: Service) -> bool:
    """Whether the sites answer the frequency by themselves."""
    manner = MANNERS.get(service)
    return manner is not None and manner.followed is Followed.FREQUENCY


def by_simple_line(service: Service) -> bool:
    """Whether commands of the simple line are meant for a product rather than for others."""
    manner = MANNERS.get(service)
    return manner is not None and manner.simple_line


def at_once(one: Service, other: Service) -> bool:
    """Whether a zone may owe two products at the same time: different ones, and one droop."""
    return one is not other and not (follows_frequency(one) and follows_frequency(other))
