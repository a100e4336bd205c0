"""What a live step test is told, tells while it works, and leaves. Powers in W, generator frame."""

from dataclasses import dataclass, field

from edge_agent.control.step_plan import Step
from edge_agent.drivers.port import WriteOutcome, WriteState
from edge_agent.technician.ear import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTerms:
    """How a test is to be done.

    Attributes
    ----------
    share : float
        Size of a step as a part of a device's greater rating, 0..1.
    hold_s : float
        How long each is held, s.
    """

    share: float
    hold_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """How far a test is, for whoever watches.

    Attributes
    ----------
    device_id, step : str
        Which device, and its step or what else is done.
    done_s, length_s : float
        Of the steps of this device, s.
    power_w : float or None
        What it gives.
    """

    device_id: str
    step: str
    done_s: float
    length_s: float
    power_w: float | None


@dataclass(slots=True, kw_only=True)
class DeviceRun:
    """What came of one device.

    Attributes
    ----------
    device_id : str
        As configured.
    steps : tuple of Step
        As planned; empty if it was not moved.
    told : list of (time in s, power in W)
        As it was told them, from the beginning of the test.
    ended_s : float
        When its last step ended.
    stopped : str
        Why it was not moved, or not to the end; empty if all is well.
    released : WriteOutcome or None
        How it was given back; None if it was not moved.
    """

    device_id: str
    steps: tuple[Step, ...] = ()
    told: list[Sample] = field(default_factory=list)
    ended_s: float = 0.0
    stopped: str = ""
    released: WriteOutcome | None = None

    @property
    def given_back(self) -> bool:
        """Whether it is not under our order any more."""
        return self.released is None or self.released.state is WriteState.DONE
