"""What happens when in a run: cuts, kills and commands, drawn before anything starts. Pure.

All times are seconds after the start of the award.
"""

import enum
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_sim.demo.options import DemoOptions
from firmware_sim.demo.signal_file import DispatchFile, generate_signal, read_signal
from firmware_sim.relay import CutKind

AWARD_SHARE: Final = 0.4
"""Part of what the batteries can both take and give that the award asks for."""
TOLERANCE_SHARE: Final = 0.1
"""Half width of the award's band as a part of it: the market's ±10 % (EPRX 2025-04-01)."""
PRICE_JPY_PER_KW_30MIN: Final = "10"
ROUND_W: Final = 100.0
_KILL_FIRST, _KILL_LAST = 0.08, 0.85
_KILL_JITTER: Final = 0.6


class Victim(enum.Enum):
    """Who is killed."""

    AGENT = "agent"
    BROKER = "broker"
    COORDINATOR = "coordinator"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCut:
    """A link that is cut from ``begin_s`` to ``end_s``."""

    site_id: str
    kind: CutKind
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKill:
    """A kill -9; ``site_id`` names the agent, empty for the others."""

    victim: Victim
    site_id: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """A whole run.

    Attributes
    ----------
    site_ids : tuple of str
        All sites.
    duration_s : int
        Length of the award.
    dispatch : DispatchFile
        The signal, cut to the award.
    cuts : tuple of PlannedCut
        By site.
    kills : tuple of PlannedKill
        By time.
    """

    site_ids: tuple[str, ...]
    duration_s: int
    dispatch: DispatchFile
    cuts: tuple[PlannedCut, ...]
    kills: tuple[PlannedKill, ...]

    def commands(self, award_w: float) -> tuple[tuple[float, float], ...]:
        """Commands to be issued: seconds after the start, and W."""
        step_s = self.dispatch.step_s
        return tuple(
            (index * step_s, round(award_w * value, 1))
            for index, value in enumerate(self.dispatch.values)
        )


def make_plan(options: DemoOptions, site_ids: Sequence[str]) -> DemoPlan:
    """Draw a run.

    Parameters
    ----------
    options : DemoOptions
        Checked.
    site_ids : sequence of str
        The scenario's sites.

    Raises
    ------
    ConfigError
        If the signal cannot be used.
    """
    if options.signal is None:
        length_s = options.duration_s + options.signal_start_s
        whole = generate_signal(options.seed, length_s)
    else:
        whole = read_signal(options.signal)
    cuts = draw_cuts(options, site_ids)
    spared = [site for site in site_ids if site not in {cut.site_id for cut in cuts}]
    return DemoPlan(
        site_ids=tuple(site_ids),
        duration_s=options.duration_s,
        dispatch=whole.cut(options.signal_start_s, float(options.duration_s)),
        cuts=cuts,
        kills=draw_kills(options, spared or site_ids),
    )


def draw_cuts(options: DemoOptions, site_ids: Sequence[str]) -> tuple[PlannedCut, ...]:
    """Draw whose link is cut during the second third, one way and the other in turn.

    A share above zero cuts at least one link.
    """
    count = min(len(site_ids), math.ceil(options.cut_share * len(site_ids) - 1e-9))
    dice = random.Random(f"cuts-{options.seed}")  # noqa: S311  a plan, no secret
    chosen = sorted(dice.sample(list(site_ids), count))
    kinds = (CutKind.CLOSED, CutKind.BLACKHOLE)
    return tuple(
        PlannedCut(
            site_id=site_id,
            kind=kinds[index % len(kinds)],
            begin_s=options.duration_s / 3.0,
            end_s=2.0 * options.duration_s / 3.0,
        )
        for index, site_id in enumerate(chosen)
    )


def draw_kills(options: DemoOptions, site_ids: Sequence[str]) -> tuple[PlannedKill, ...]:
    """Draw when one agent, the broker and the coordinator are killed, each in its own part.

    Parameters
    ----------
    options : DemoOptions
        ``chaos_seed`` None draws no kills.
    site_ids : sequence of str
        Agents that may be killed; the caller leaves out those whose link is cut, where the
        run has others.
    """
    if options.chaos_seed is None:
        return ()
    dice = random.Random(f"chaos-{options.chaos_seed}")  # noqa: S311  a plan, no secret
    victims = list(Victim)
    dice.shuffle(victims)
    part = (_KILL_LAST - _KILL_FIRST) / len(victims)
    return tuple(
        PlannedKill(
            victim=victim,
            site_id=dice.choice(list(site_ids)) if victim is Victim.AGENT else "",
            at_s=options.duration_s * (_KILL_FIRST + part * (index + _KILL_JITTER * dice.random())),
        )
        for index, victim in enumerate(victims)
    )


def award_power_w(batteries: Sequence[Mapping[str, float]]) -> float:
    """Power of the award: a part of what the batteries can both take and give.

    Parameters
    ----------
    batteries : sequence of mapping
        ``power_w_min`` and ``power_w_max`` of each, generator frame.

    Returns
    -------
    float
        W, rounded down to whole steps of :data:`ROUND_W`, at least one.
    """
    up_w = math.fsum(battery["power_w_max"] for battery in batteries)
    down_w = -math.fsum(battery["power_w_min"] for battery in batteries)
    wanted_w = AWARD_SHARE * min(up_w, down_w)
    return max(ROUND_W, math.floor(wanted_w / ROUND_W) * ROUND_W)
