"""A cycle on its way from freeze to write."""

from dataclasses import dataclass
from datetime import datetime

from edge_agent.control.grant import PrimaryReport
from edge_agent.control.inputs import Frame
from edge_agent.cycle.arrivals import Taken
from edge_agent.cycle.grid_orders import Ordered
from edge_agent.cycle.hand import HandTaken
from edge_agent.mode.table import ModeDecision
from protocols.vocabulary.measurement import ProcessImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What is known of a cycle before it is decided.

    Attributes
    ----------
    slot_s, now : int, datetime
        The Unix second it belongs to, and the moment of its freeze.
    taken : Taken
        What arrived, and the memory with it.
    image, frame, frame_id : ProcessImage, Frame, str
        What is measured, and what seldom changes.
    mode : ModeDecision
        The mode before it is judged, then after.
    primary : PrimaryReport or None
        What the primary loop did since the cycle before.
    ordered : Ordered
        What the grid orders.
    hand : HandTaken
        What a person at the gateway orders.
    """

    slot_s: int
    now: datetime
    taken: Taken
    image: ProcessImage
    frame: Frame
    frame_id: str
    mode: ModeDecision
    primary: PrimaryReport | None
    ordered: Ordered
    hand: HandTaken
