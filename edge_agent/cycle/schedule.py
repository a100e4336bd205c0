"""When a site's second begins: one phase per site, one slot per second, none twice. Pure.

Slots are Unix seconds. A slot's cycle runs at the slot plus the site's phase, so that many
sites do not reach a broker, or one machine's cores, in the same instant.
"""

import zlib
from datetime import datetime
from typing import Final

from protocols.vocabulary.identifiers import SiteId

NS_PER_S: Final = 1_000_000_000
PHASES: Final = 800
NS_PER_PHASE: Final = 1_000_000


def phase_ns(site_id: SiteId) -> int:
    """Phase of a site within the second, 0..799 ms, in ns.

    Parameters
    ----------
    site_id : SiteId
        The site.

    Returns
    -------
    int
        Spread evenly over sites by a hash of the id.
    """
    return zlib.crc32(site_id.encode("ascii")[::-1]) % PHASES * NS_PER_PHASE


def next_slot(now_unix_ns: int, phase: int, last_slot_s: int) -> tuple[int, int]:
    """Return the next slot to run and how long to wait for it.

    Parameters
    ----------
    now_unix_ns : int
        Wall time, Unix ns.
    phase : int
        The site's phase, ns.
    last_slot_s : int
        The slot that ran last; 0 if none has. A slot never runs twice, so when the wall clock
        goes back the cycle waits no longer than a second and goes on with the slot after the
        last one.

    Returns
    -------
    tuple of int
        Slot in Unix s, and the wait in ns, 0..1 s.
    """
    due_s = (now_unix_ns - phase + NS_PER_S - 1) // NS_PER_S
    slot_s = max(due_s, last_slot_s + 1)
    wait_ns = due_s * NS_PER_S + phase - now_unix_ns
    if slot_s > due_s and due_s <= last_slot_s:
        # Still inside (or before) the second that just ran: its successor's moment.
        wait_ns = min(slot_s * NS_PER_S + phase - now_unix_ns, NS_PER_S)
    return slot_s, max(wait_ns, 0)


def unix_ns(moment: datetime) -> int:
    """Unix time in ns of an aware moment, to the microsecond."""
    return round(moment.timestamp() * 1e6) * 1_000


def missed_slots(last_slot_s: int, slot_s: int) -> int:
    """Count of seconds between two cycles in which none ran; 0 for neighbours or the first."""
    return slot_s - last_slot_s - 1 if last_slot_s else 0
