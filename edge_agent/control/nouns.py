"""Small records of what is owed: the share of an obligation, and a power ordered at the meter.

Parts of :mod:`edge_agent.control.inputs`; frozen and journaled like those.
"""

import enum
from dataclasses import dataclass

from protocols.vocabulary.identifiers import NO_SIGNAL, ObligationId, SignalId
from protocols.vocabulary.obligation import Obligation


class ShareSource(enum.IntEnum):
    """Why a share is what it is."""

    NONE = 0
    SIGNAL = 1
    HELD = 2
    PROFILE = 3
    ORDER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldShare:
    """The share of one obligation, kept so that it survives the link and a restart.

    Attributes
    ----------
    obligation_id : ObligationId
        Whose share.
    power_w : float
        W relative to the baseline.
    signal_id : SignalId
        The signal it came with; NO_SIGNAL if none has come yet.
    source : ShareSource
        SIGNAL while a valid signal says so, HELD afterwards.
    """

    obligation_id: ObligationId
    power_w: float
    signal_id: SignalId = NO_SIGNAL
    source: ShareSource = ShareSource.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterOrder:
    """A power at the site's meter ordered from outside the market, as by OpenADR.

    Attributes
    ----------
    obligation : Obligation
        What is owed: ``power_w`` relative to the baseline, or the meter's power itself.
    baseline_w : float
        Meter power that a change is counted from, W, fixed when the order began; not used for
        an order relative to zero.
    source : str
        Who ordered it, for people.
    """

    obligation: Obligation
    baseline_w: float
    source: str
