"""Membership: which sites follow the signal, and which are booked at what they hold. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.services.tracking import Mask, Rows
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.obligation import ObligationState

ECHO_S: Final = 5.0
"""A site follows if it echoes a signal that was sent at most this long ago, or a later one."""
GREETED_S: Final = 4.0
"""So long after its hello, a site that came back is taken to follow."""
BOOT_S: Final = 3.0
"""So long after a restart, a site not heard yet is taken to follow, as it did before."""


SUSPECT_S: Final = 1.2
"""A site whose row has not come for so long is taken to have fallen silent: one missed tick.

Its known share is held against it from then on and the others make up for what it does not
follow. If it only was late, that costs next to nothing: at a standing command its share is what
it was. Links are judged by three missed ticks as ever (``LATE_TICKS``).
"""
SUSPECT_BEYOND_S: Final = 0.7
"""Rows that are late all together are our own delay: suspect is who is so much later than half
of the sites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is known of the sites' attention at one moment.

    Attributes
    ----------
    live : ndarray of bool
        Shape (n,), whether the link is LIVE.
    greeted : ndarray of bool
        Shape (n,), whether the site has just come back: it will follow the next signal, though
        its rows do not echo one yet. Counting it from then on, and not from its first echo,
        spares the others from making up for it a second time.
    required_id : int
        Oldest signal that a following site may echo; 0 asks for none.
    age_s : float
        Time since this program took up the award, s.
    unmoved : ndarray of bool
        Shape (n,), whether the site hears its calls but does not move.
    suspect : ndarray of bool
        Shape (n,), whether its row is overdue (:func:`overdue`).
    strayed : ndarray of bool
        Shape (n,), whether it does not use the curve that is committed.
    """

    live: Mask
    greeted: Mask
    unmoved: Mask
    suspect: Mask
    strayed: Mask
    required_id: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Shape (n,) each, by commitment; a site is in at most one group.

    Attributes
    ----------
    following : ndarray of bool
        Counts with its curve.
    held : ndarray of bool
        Accepted its commitment but does not hear us: counts with what it holds.
    unmoved : ndarray of bool
        Hears us but does not move, or by another curve: counts with what its meter says.
    """

    following: Mask
    held: Mask
    unmoved: Mask


def accepted_mask(commitments: Sequence[Commitment]) -> Mask:
    """Which commitments their sites have accepted."""
    return np.array(
        [c.obligation.state is ObligationState.ACCEPTED for c in commitments], dtype=np.bool_
    )


def classify(accepted: Mask, rows: Rows, seen: Sighting) -> Membership:
    """Divide the sites.

    Parameters
    ----------
    accepted : ndarray of bool
        Shape (n,).
    rows : Rows
        Latest telemetry.
    seen : Sighting
        Links, echo and time.

    Returns
    -------
    Membership
        If no site is heard, all accepted ones are taken to listen: the way down may still
        work when the way up does not.
    """
    prompt = seen.live & ~seen.suspect
    attentive = (prompt & (rows.signal_id >= seen.required_id)) | seen.greeted
    if seen.age_s < BOOT_S:
        attentive |= ~rows.heard
    if not (accepted & attentive).any():
        attentive = accepted
    unmoved = accepted & attentive & (seen.unmoved | seen.strayed)
    return Membership(
        following=accepted & attentive & ~unmoved,
        held=accepted & ~attentive,
        unmoved=unmoved,
    )


def overdue(silence_s: FloatArray, expected: Mask) -> Mask:
    """Which sites have missed a tick while others have not.

    Parameters
    ----------
    silence_s : FloatArray
        Shape (n,), since the latest row came, s; inf if none ever did.
    expected : ndarray of bool
        Shape (n,), whose rows are waited for.
    """
    usual_s = float(np.median(silence_s[expected])) if expected.any() else 0.0
    return np.asarray(silence_s > max(SUSPECT_S, usual_s + SUSPECT_BEYOND_S), dtype=np.bool_)
