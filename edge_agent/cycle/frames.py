"""Keeps the frame of a site: made anew only when something in it changed."""

from collections.abc import Sequence
from dataclasses import replace

from edge_agent.config.site import SiteConfig
from edge_agent.control.inputs import Binding, Frame
from edge_agent.control.plain import digest_of, pack_frame
from edge_agent.cycle.framing import frame_of, stopped_at_the_site
from edge_agent.cycle.grid_orders import Ordered, tariff_under
from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.primary_members import named_members
from edge_agent.points.table import PointSpec


class Frames:
    """The frame in force.

    Parameters
    ----------
    config : SiteConfig
        The site.
    specs : sequence of PointSpec
        Its points.
    """

    def __init__(self, config: SiteConfig, specs: Sequence[PointSpec]) -> None:
        self._config = config
        self._specs = specs
        self._primary_members = named_members(config)
        self._frame: tuple[Frame, str] | None = None
        self._made_of: tuple[object, ...] = ()

    def framed(
        self, bindings: tuple[Binding, ...], memory: AgentMemory, now_ordered: Ordered
    ) -> tuple[Frame, str]:
        """Frame and its name.

        Parameters
        ----------
        bindings : tuple of Binding
            The resources.
        memory : AgentMemory
            With commitments and stop as they are now.
        now_ordered : Ordered
            What the grid orders now.
        """
        hand = memory.hand
        made_of = (bindings, memory.stopped, hand.overrides, hand.safe_by, now_ordered.substance)
        if self._frame is not None and self._made_of == made_of:
            frame, _ = self._frame
            if frame.commitments is memory.commitments:
                return self._frame
        frame = frame_of(
            self._config,
            bindings,
            specs=self._specs,
            commitments=memory.commitments,
            stop=memory.stopped or bool(hand.safe_by),
        )
        if hand.safe_by and not memory.stopped:
            frame = replace(frame, limits=stopped_at_the_site(frame.limits, hand.safe_by))
        frame = replace(
            frame,
            limits=(*frame.limits, *now_ordered.limits, *hand.limits()),
            tariff=tariff_under(frame.tariff, now_ordered.meant.prices),
            primary_members=self._primary_members,
            meter_orders=now_ordered.meter_orders or None,
        )
        self._frame, self._made_of = (frame, digest_of(pack_frame(frame))), made_of
        return self._frame
