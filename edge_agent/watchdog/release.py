"""Give everything in a recipe back, each device over its own wire, all wires at once.

Called by the watchdog's loop when the agent is silent, and by the agent's next life for
devices that its configuration no longer knows.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.lease_book import (
    WIRE_BACNET_IP,
    WIRE_ECHONET_LITE,
    WIRE_MODBUS_TCP,
    LeasedDevice,
)
from edge_agent.watchdog.bacnet_wire import release_bacnet
from edge_agent.watchdog.echonet_wire import EchonetReleaser, ReleaseSocket
from edge_agent.watchdog.errand import (
    BUDGET_S,
    SETTLED,
    Errand,
    ReleaseResult,
    ReleaseState,
    Verdict,
)
from edge_agent.watchdog.modbus_wire import release_modbus
from edge_agent.watchdog.recipe import Recipe
from protocols.vocabulary.identifiers import ResourceId

AT_ONCE: Final = 16
"""Wires and Modbus addresses spoken with at the same time."""
_BACK: Final[Verdict] = (ReleaseState.HANDED_BACK, "the agent is back")
_OWN_TIMER: Final[Verdict] = (ReleaseState.BY_ITSELF, "the device's own timer ends it")

_Job = Callable[[Errand], list[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What came of a release.

    Attributes
    ----------
    results : list of ReleaseResult
        In the recipe's order.
    sent_from : str
        Where ECHONET frames were sent from; empty if there were none.
    """

    results: list[ReleaseResult]
    sent_from: str

    @property
    def unconfirmed(self) -> int:
        """How many devices are still to be released."""
        return sum(result.state not in SETTLED for result in self.results)


def release_all(
    recipe: Recipe,
    *,
    monotonic_s: Callable[[], float],
    silent: Callable[[], bool],
    budget_s: float = BUDGET_S,
) -> Released:
    """Release all devices of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Who, how, and where the gateway's own address is.
    monotonic_s : callable
        Monotonic time, s.
    silent : callable
        Whether the agent is still silent; when it is back, the rest is its business again.
    budget_s : float
        Longest time for all of it, s.
    """
    errand = Errand(monotonic_s=monotonic_s, silent=silent, until_s=monotonic_s() + budget_s)
    groups: dict[tuple[str, str, int], list[LeasedDevice]] = {}
    for leased in recipe.devices:
        place = (leased.address, leased.port) if leased.wire == WIRE_MODBUS_TCP else ("", 0)
        groups.setdefault((leased.wire, *place), []).append(leased)
    bound: list[str] = []
    jobs: list[tuple[list[LeasedDevice], _Job]] = [
        (devices, _job(wire, devices, recipe=recipe, bound=bound))
        for (wire, *_), devices in groups.items()
    ]
    verdicts: dict[ResourceId, Verdict] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        running = [(devices, pool.submit(job, errand)) for devices, job in jobs]
        for devices, future in running:
            names = [leased.resource_id for leased in devices]
            verdicts.update(zip(names, future.result(), strict=True))
    results = _results(recipe.devices, verdicts, handed_back=not silent())
    return Released(results=results, sent_from="".join(bound))


def _job(wire: str, devices: Sequence[LeasedDevice], *, recipe: Recipe, bound: list[str]) -> _Job:
    """Make what releases a group of devices on one wire."""

    def over_echonet(errand: Errand) -> list[Verdict]:
        endpoint = ReleaseSocket(recipe.gateway_address, recipe.gateway_port)
        bound.append(endpoint.bound)
        try:
            return EchonetReleaser(endpoint, errand).release(devices)
        finally:
            endpoint.close()

    jobs: Mapping[str, _Job] = {
        WIRE_ECHONET_LITE: over_echonet,
        WIRE_MODBUS_TCP: lambda errand: release_modbus(devices, errand),
        WIRE_BACNET_IP: lambda errand: release_bacnet(devices, errand),
    }
    return jobs.get(wire, lambda _errand: [_OWN_TIMER] * len(devices))


def _results(
    devices: Sequence[LeasedDevice], verdicts: Mapping[ResourceId, Verdict], *, handed_back: bool
) -> list[ReleaseResult]:
    results = []
    for leased in devices:
        state, detail = verdicts[leased.resource_id]
        if handed_back and state not in SETTLED:
            state, detail = _BACK
        results.append(ReleaseResult(leased=leased, state=state, detail=detail))
    return results
