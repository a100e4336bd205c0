"""Limits of a grid's nodes, as a request names them, turned into nested groups of resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.problem import GroupCaps
from cloud_coordinator.services.errors import RejectedError
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import SiteId, ZoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimit:
    """How much the response of a node's resources may be.

    Attributes
    ----------
    node_id : str
        The VPP, a site, or any name for the sites below.
    site_ids : tuple of SiteId
        Sites at the node; empty where ``node_id`` says it.
    up_w, down_w : float
        W >= 0; infinite where there is none.
    """

    node_id: str
    site_ids: tuple[SiteId, ...]
    up_w: float
    down_w: float


def nested_sites(
    limits: Sequence[NodeLimit], vpp: ZoneId, site_index: Mapping[SiteId, int]
) -> list[frozenset[int]]:
    """Find the sites of each limit.

    Parameters
    ----------
    limits : sequence of NodeLimit
        In the order of the request.
    vpp : ZoneId
        All of its sites, where a limit names it.
    site_index : mapping of SiteId to int
        Sites of the VPP.

    Raises
    ------
    RejectedError
        If a node or a site is not there.
    """
    found = []
    for place, limit in enumerate(limits):
        where = f"constraints.grid_constraints.{place}"
        if limit.site_ids:
            for site in limit.site_ids:
                if site not in site_index:
                    raise RejectedError(f"{where}.site_ids: {site!r} is no site of {vpp!r}")
            found.append(frozenset(site_index[site] for site in limit.site_ids))
        elif limit.node_id == vpp:
            found.append(frozenset(site_index.values()))
        elif limit.node_id in site_index:
            found.append(frozenset({site_index[SiteId(limit.node_id)]}))
        else:
            raise RejectedError(
                f"{where}.node_id: {limit.node_id!r} is neither {vpp!r} nor one of its sites, "
                "and no site_ids are given"
            )
    return found


def grid_of(
    limits: Sequence[NodeLimit],
    nodes: Sequence[frozenset[int]],
    row_sites: IntArray,
    *,
    is_up: bool,
) -> Grid | None:
    """Nest the nodes and cap them in the direction of the question.

    Parameters
    ----------
    limits : sequence of NodeLimit
        The limits.
    nodes : sequence of frozenset of int
        Sites of each.
    row_sites : IntArray
        Shape (n,), site of each resource.
    is_up : bool
        Which of the two limits holds.

    Returns
    -------
    Grid or None
        None where nothing is limited.

    Raises
    ------
    RejectedError
        If two nodes overlap and neither lies in the other.
    """
    if not limits or not len(row_sites):
        return None
    sites = 1 + max(int(row_sites.max()), *(max(node, default=0) for node in nodes))
    deepest = np.full(sites, -1, dtype=np.int64)
    parent = np.full(len(limits), -1, dtype=np.int64)
    for at in sorted(range(len(limits)), key=lambda one: -len(nodes[one])):
        members = np.fromiter(nodes[at], dtype=np.int64, count=len(nodes[at]))
        above = np.unique(deepest[members])
        if len(above) != 1:
            names = " and ".join(repr(limits[one].node_id) for one in above.tolist() if one >= 0)
            raise RejectedError(
                f"constraints.grid_constraints.{at}.site_ids: overlaps {names} without lying in it"
            )
        parent[at] = above[0]
        deepest[members] = at
    most = np.array([limit.up_w if is_up else limit.down_w for limit in limits])
    return Grid(
        groups=prepare_groups(parent, deepest[row_sites]),
        caps=GroupCaps(power_w_min=np.full(len(limits), -np.inf), power_w_max=most),
    )


def fullness_by_row(
    limits: Sequence[NodeLimit],
    nodes: Sequence[frozenset[int]],
    row_sites: IntArray,
    *,
    flow_w: FloatArray,
    is_up: bool,
) -> FloatArray:
    """Say how full the fullest node above each resource is already, 0 ... 1.

    Parameters
    ----------
    limits, nodes, row_sites, is_up
        As for :func:`grid_of`.
    flow_w : FloatArray
        Power of each site at its meter in the question's direction, W; NaN where unknown.

    Returns
    -------
    FloatArray
        Shape (n,): the flow of a node against what it may carry, which is flow and limit
        together, for the limit is what may be added. 0 where nothing is limited, or where the
        power flows the other way.
    """
    by_site = np.zeros(len(flow_w))
    known = np.nan_to_num(flow_w)
    for limit, node in zip(limits, nodes, strict=True):
        room_w = limit.up_w if is_up else limit.down_w
        members = np.fromiter(node, dtype=np.int64, count=len(node))
        carried_w = max(float(known[members].sum()), 0.0)
        if np.isfinite(room_w) and carried_w > 0.0:
            full = carried_w / (carried_w + room_w)
            by_site[members] = np.maximum(by_site[members], full)
    return by_site[row_sites]
