"""All VENs of the coordinator: one for each VTN that commands it."""

import asyncio
from collections.abc import Callable, Sequence

from cloud_coordinator.gateway.openadr_ven.ven import CoordinatorVen
from cloud_coordinator.gateway.openadr_ven.ven_file import VenFile
from cloud_coordinator.gateway.openadr_ven.zone import ZonePorts


class CoordinatorVens:
    """All of them.

    Parameters
    ----------
    files : sequence of VenFile
        What a person decided.
    ports : callable
        Gives the ports of the VEN of a name.

    Raises
    ------
    ConfigError
        If a certificate or key cannot be used.
    StoreError
        If records cannot be read.
    """

    def __init__(self, files: Sequence[VenFile], ports: Callable[[str], ZonePorts]) -> None:
        self._vens = [CoordinatorVen(file, ports(file.name)) for file in files]

    async def open(self) -> None:
        """Listen, where a VTN pushes.

        Raises
        ------
        ConfigError
            If an address cannot be had.
        """
        for ven in self._vens:
            await ven.open()

    async def run(self) -> None:
        """Speak with the VTNs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for ven in self._vens:
                group.create_task(ven.run())

    async def close(self) -> None:
        """Listen no more."""
        for ven in self._vens:
            await ven.close()
