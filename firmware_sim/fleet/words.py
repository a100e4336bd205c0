"""The gateways' messages in columns and back: layouts, streams, acknowledgements. Pure."""

from collections.abc import Mapping

import numpy as np

from firmware_sim.fleet.contracts import Identity
from firmware_sim.fleet.plant import Characters
from firmware_sim.fleet.rows import LAYOUT_VERSION
from firmware_sim.fleet.sessions import (
    STREAMS,
    Acknowledged,
)
from protocols.link.messages import (
    Layout,
    Stream,
)
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind


def layout_of(characters: Characters, gateway: int, identity: Identity) -> Layout:
    """Resources of a gateway as its hello tells them: batteries, all of them."""
    return Layout(
        version=LAYOUT_VERSION,
        resources=tuple(
            Resource(
                resource_id=ResourceId(f"{identity.site_id}/{place:02d}"),
                site_id=identity.site_id,
                kind=ResourceKind.BATTERY,
                power_w_min=-rating_w,
                power_w_max=rating_w,
                ramp_w_per_s=ramp_w,
                energy_wh_capacity=2.0 * rating_w,
                capabilities=frozenset({Capability.TAKES_SETPOINT, Capability.HAS_SOC}),
            )
            for place, (rating_w, ramp_w) in enumerate(
                zip(
                    characters.rating_w[gateway].tolist(),
                    characters.ramp_w_per_s[gateway].tolist(),
                    strict=True,
                )
            )
        ),
    )


def streams_of(counts: IntArray) -> dict[Stream, int]:
    """Name the streams of some counts."""
    return dict(zip(STREAMS, counts.tolist(), strict=True))


def by_name(counts: Mapping[Stream, int]) -> dict[str, int]:
    """Name the streams of some counts as the wire does."""
    return {stream.value: count for stream, count in counts.items()}


def acknowledged(
    read: list[tuple[int, int, dict[str, int], dict[str, int], int]],
) -> Acknowledged:
    """Columns of acknowledgements that were read."""
    who, epoch, received, durable, rate = zip(*read, strict=True)
    names = [stream.value for stream in STREAMS]
    return Acknowledged(
        who=np.array(who, dtype=np.int64),
        epoch=np.array(epoch, dtype=np.int64),
        rate_per_s=np.array(rate, dtype=np.int64),
        received=np.array([[one.get(name, 0) for one in received] for name in names]),
        durable=np.array([[one.get(name, 0) for one in durable] for name in names]),
    )
