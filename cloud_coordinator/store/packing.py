"""Nouns as msgpack in the registry's blobs; what comes back broken is a StoreError."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import msgpack

from cloud_coordinator.services.records import AllocationRecord, AssuredRecord
from protocols.link.fields import payload
from protocols.link.messages import Layout, Plain
from protocols.link.plain import (
    commitment_from_plain,
    commitment_to_plain,
    layout_from_plain,
    layout_to_plain,
    obligation_from_plain,
    obligation_to_plain,
)
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import RemoteProtocolError, StoreError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import Obligation, ObligationState


def pack(plain: object) -> bytes:
    """Bytes of plain data."""
    data: bytes = msgpack.packb(plain)
    return data


def pack_layout(layout: Layout) -> bytes:
    """Bytes of a layout."""
    return pack(layout_to_plain(layout))


def unpack_layout(data: bytes) -> Layout:
    """Layout of the bytes."""
    with reading("layout"):
        return layout_from_plain(msgpack.unpackb(data))


def pack_commitment(commitment: Commitment) -> bytes:
    """Bytes of a commitment; its state is a column of its own."""
    return pack(commitment_to_plain(commitment))


def unpack_commitment(data: bytes, state: str) -> Commitment:
    """Read a commitment, in the state of the column."""
    with reading("commitment"):
        commitment = commitment_from_plain(msgpack.unpackb(data))
        obligation = replace(commitment.obligation, state=ObligationState(state))
        return replace(commitment, obligation=obligation)


def pack_obligation(obligation: Obligation) -> bytes:
    """Bytes of an obligation."""
    return pack(obligation_to_plain(obligation))


def unpack_obligation(data: bytes, state: str) -> Obligation:
    """Obligation of the bytes, in the state of the column."""
    with reading("obligation"):
        obligation = obligation_from_plain(msgpack.unpackb(data))
        return replace(obligation, state=ObligationState(state))


def pack_allocation(allocation: AllocationRecord) -> bytes:
    """Bytes of an allocation."""
    return pack(
        {
            "multiplier_up": allocation.multiplier_up,
            "multiplier_down": allocation.multiplier_down,
            "shortfall_up_w": allocation.shortfall_up_w,
            "shortfall_down_w": allocation.shortfall_down_w,
            "duality_gap_jpy_per_h": allocation.duality_gap_jpy_per_h,
            "limits": dict(allocation.limits),
            "assured": None if allocation.assured is None else asdict(allocation.assured),
        }
    )


def unpack_allocation(data: bytes) -> AllocationRecord:
    """Allocation of the bytes."""
    with reading("allocation"):
        plain = msgpack.unpackb(data)
        assured = plain.get("assured")
        return AllocationRecord(
            multiplier_up=plain["multiplier_up"],
            multiplier_down=plain["multiplier_down"],
            shortfall_up_w=plain["shortfall_up_w"],
            shortfall_down_w=plain["shortfall_down_w"],
            duality_gap_jpy_per_h=plain["duality_gap_jpy_per_h"],
            limits={SiteId(site): str(limit) for site, limit in plain["limits"].items()},
            assured=None if assured is None else AssuredRecord(**assured),
        )


def unpack_payload(data: bytes) -> Mapping[str, Plain]:
    """Payload of an event or command."""
    with reading("payload"):
        return payload(msgpack.unpackb(data), "payload")


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what a damaged blob raises into one StoreError."""
    try:
        yield
    except (RemoteProtocolError, ValueError, TypeError, KeyError) as error:
        message = f"a stored {what} cannot be read: {error}"
        raise StoreError(message) from error
    except msgpack.UnpackException as error:
        message = f"a stored {what} cannot be read: {error!r}"
        raise StoreError(message) from error
