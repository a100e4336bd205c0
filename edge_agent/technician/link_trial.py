"""The commissioning test of the link: an obligation is held while the link is cut, then it is back.

The site's own agent runs for this, as a process of its own and with the site's identity, but
its way to the broker leads through a relay that can be cut. The obligation lies in the journal
before the agent starts, as one that it took in an earlier life, so nothing else in the agent
is different from a day at work. What it did is read from the journal afterwards.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.cycle.memory import changed_state, load_memory
from edge_agent.cycle.record import CYCLE_KIND, Happened, event_drafts
from edge_agent.journal.journal import Journal
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.technician.cut_link import CutLink
from edge_agent.technician.history import History, Tick
from edge_agent.technician.site_file import with_brokers
from edge_agent.technician.trial_agent import STOP_S, TrialAgent, trial_agent
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ObligationId
from protocols.vocabulary.intervals import Clock, Interval
from protocols.vocabulary.obligation import (
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import OfferCurve

TOLERANCE_SHARE: Final = 0.2
TOLERANCE_W_MIN: Final = 100.0
HELD_RATIO_MIN: Final = 0.8
"""Part of the cut's seconds in which the meter must be where it is owed."""
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTimes:
    """How long each part may or must last, s.

    Attributes
    ----------
    reach_s : float
        Most, until the coordinator answers, and again after the cut.
    settle_s : float
        Most, until the obligation is met.
    cut_s : float
        How long the link is cut.
    """

    reach_s: float = 20.0
    settle_s: float = 8.0
    cut_s: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialWish:
    """What is to be held: a change of power at the meter from what it was, W, generator frame."""

    share_w: float
    baseline_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTrial:
    """What was seen.

    Attributes
    ----------
    share_w : float
        Asked change at the meter, W, + toward the grid.
    reached : bool
        Whether the coordinator answered before the cut.
    cut_s : float
        How long the link was cut; 0 if it was not.
    held_ratio : float or None
        Part of the cut's seconds in which the meter was within the tolerance of what was owed.
    back_s : float or None
        From the end of the cut until the coordinator answered again; None if it did not.
    cause : str
        Why it is not well; empty if it is.
    """

    share_w: float
    reached: bool
    cut_s: float = 0.0
    held_ratio: float | None = None
    back_s: float | None = None
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether the link was cut, the obligation held, and the link came back."""
        return not self.cause


async def try_link(
    path: Path, config: SiteConfig, clock: Clock, *, wish: TrialWish, times: TrialTimes
) -> LinkTrial:
    """Run the agent, cut its link while it holds an obligation, and look what it did.

    Parameters
    ----------
    path : Path
        The site's file.
    config : SiteConfig
        As loaded from it.
    clock : Clock
        Time.
    wish, times : TrialWish, TrialTimes
        What is held, and for how long.

    Raises
    ------
    ConfigError
        If an agent runs already, or the agent cannot be started.
    """
    everything_s = 2.0 * times.reach_s + times.settle_s + times.cut_s + STOP_S
    commitment = _commitment(config, wish, clock.now(), length_s=everything_s)
    _hold(config, clock, commitment)
    try:
        async with CutLink(config.link.brokers[0]) as link:
            beside = path.with_name(f".{path.stem}.trial.toml")
            with_brokers(path, beside, [f"mqtts://127.0.0.1:{link.port}"])
            try:
                async with trial_agent(beside) as agent:
                    return await _cut(agent, link, config, wish=wish, times=times, clock=clock)
            finally:
                beside.unlink(missing_ok=True)
    finally:
        _drop(config, clock, commitment)


async def _cut(  # noqa: PLR0913  one test, its parts and its terms
    agent: TrialAgent,
    link: CutLink,
    config: SiteConfig,
    *,
    wish: TrialWish,
    times: TrialTimes,
    clock: Clock,
) -> LinkTrial:
    if not await agent.until_live(times.reach_s):
        return LinkTrial(
            share_w=wish.share_w,
            reached=False,
            cause=f"the coordinator did not answer in {times.reach_s:.0f} s: {agent.said}",
        )
    reader = JournalReader(config.journal_path)
    try:
        await _settled(reader, wish, times.settle_s)
        begun = clock.now()
        link.cut()
        await asyncio.sleep(times.cut_s)
        ended = clock.now()
        link.join()
        back = await agent.until_live(times.reach_s)
        back_s = (clock.now() - ended).total_seconds()
        ratio = held_ratio(_ticks(reader, begun, ended), wish, seconds=int(times.cut_s))
    finally:
        reader.close()
    cause = ""
    if not back:
        cause = f"the link did not come back in {times.reach_s:.0f} s: {agent.said}"
    elif ratio < HELD_RATIO_MIN:
        cause = f"while cut, the meter was as owed in {ratio:.0%} of the seconds only"
    return LinkTrial(
        share_w=wish.share_w,
        reached=True,
        cut_s=times.cut_s,
        held_ratio=ratio,
        back_s=back_s if back else None,
        cause=cause,
    )


def held_ratio(ticks: list[Tick], wish: TrialWish, *, seconds: int) -> float:
    """Part of the cut's seconds in which the agent worked and the meter was where it was owed."""
    tolerance_w = max(TOLERANCE_SHARE * abs(wish.share_w), TOLERANCE_W_MIN)
    held = sum(_is_held(tick, wish, tolerance_w) for tick in ticks)
    return min(held / max(seconds, 1), 1.0)


def _is_held(tick: Tick, wish: TrialWish, tolerance_w: float) -> bool:
    meter_w = tick.inputs.image.value(tick.inputs.frame.meter_point)
    share_w = tick.decision.share_w
    if meter_w is None or share_w is None or abs(share_w - wish.share_w) > 1.0:
        return False
    return abs(meter_w - wish.baseline_w - wish.share_w) <= tolerance_w


async def _settled(reader: JournalReader, wish: TrialWish, settle_s: float) -> None:
    """Wait until the obligation is met, but not for ever."""
    tolerance_w = max(TOLERANCE_SHARE * abs(wish.share_w), TOLERANCE_W_MIN)
    for _ in range(round(settle_s / LOOK_S)):
        tick = History(reader).last()
        if tick is not None and _is_held(tick, wish, tolerance_w):
            return
        await asyncio.sleep(LOOK_S)


def _ticks(reader: JournalReader, begun: datetime, ended: datetime) -> list[Tick]:
    history = History(reader)
    first = reader.sequence_at(JournalStream.TICK, begun)
    _, last = reader.bounds(JournalStream.TICK)
    found = [
        history.tick(entry)
        for entry in reader.scan(JournalStream.TICK, first, last, kind=CYCLE_KIND)
    ]
    return [tick for tick in found if begun <= tick.inputs.now < ended]


def _commitment(
    config: SiteConfig, wish: TrialWish, now: datetime, *, length_s: float
) -> Commitment:
    """Write the obligation as an award's child would be, for the length of the test."""
    start = now.replace(microsecond=0)
    interval = Interval(start=start, end=start + timedelta(seconds=round(length_s)))
    step_s = interval.duration_s
    energy_wh = wish.share_w * step_s / 3600.0
    low_w, high_w = min(wish.share_w, 0.0), max(wish.share_w, 0.0)
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId(f"trial-{config.site_id}-{int(start.timestamp())}"),
            parent_id=None,
            target=config.site_id,
            service=Service.ENERGY,
            interval=interval,
            step_s=step_s,
            power_w=column([wish.share_w]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=max(TOLERANCE_SHARE * abs(wish.share_w), TOLERANCE_W_MIN),
            state=ObligationState.ACCEPTED,
        ),
        curve=OfferCurve(
            site_id=config.site_id,
            service=Service.ENERGY,
            version=1,
            multipliers=column([0.0]),
            power_w=column([wish.share_w]),
            interval=interval,
        ),
        envelope=Envelope(
            target=config.site_id,
            interval=interval,
            step_s=step_s,
            power_w_min=column([low_w]),
            power_w_max=column([high_w]),
            energy_wh_min=column([0.0, min(energy_wh, 0.0)]),
            energy_wh_max=column([0.0, max(energy_wh, 0.0)]),
            ramp_w_per_s=max(abs(wish.share_w), 1.0),
        ),
        baseline=Baseline(
            target=config.site_id,
            interval=interval,
            step_s=step_s,
            power_w=column([wish.baseline_w]),
            method="commissioning",
            computed_at=now,
            data_until=now,
            model_id=ModelId("commissioning"),
        ),
        hold=HoldRule.FOLLOW_PROFILE,
        band_lower_w=column([TOLERANCE_W_MIN]),
        band_upper_w=column([TOLERANCE_W_MIN]),
    )


def _hold(config: SiteConfig, clock: Clock, commitment: Commitment) -> None:
    """Put the obligation into the journal, and say so there."""
    told = Happened(
        kind="commissioning.held",
        payload={
            "obligation_id": str(commitment.obligation.obligation_id),
            "power_w": float(commitment.obligation.power_w[0]),
        },
    )
    _change(config, clock, told, added=(commitment,))


def _drop(config: SiteConfig, clock: Clock, commitment: Commitment) -> None:
    """Take it out again; the agent does not run any more."""
    name = commitment.obligation.obligation_id
    told = Happened(kind="commissioning.ended", payload={"obligation_id": str(name)})
    _change(config, clock, told)


def _change(
    config: SiteConfig, clock: Clock, told: Happened, *, added: tuple[Commitment, ...] = ()
) -> None:
    journal = Journal.open(config.journal_path, config.site_id, clock)
    try:
        memory = load_memory(journal.state)
        kept = tuple(one for one in memory.commitments if one.baseline.method != "commissioning")
        after = replace(memory, commitments=(*kept, *added))
        journal.append(event_drafts([told], (), memory.cycle), changed_state(memory, after))
    finally:
        journal.close()
