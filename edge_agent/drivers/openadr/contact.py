"""Meeting a VEN: it has called us and is registered."""

from typing import Final

from edge_agent.drivers.openadr.desk import VtnDesk
from edge_agent.drivers.openadr.ven import LocalVen
from edge_agent.drivers.port import FoundDevice
from protocols.vocabulary.errors import DeviceTimeoutError

CALL_S: Final = 3.0
"""How long a VEN is given to call when it is looked for."""
SILENT_POLLS: Final = 3.0
SILENT_S_MIN: Final = 35.0
"""A VEN is gone when it has not called for this many of its own pauses, or this long."""


class VenContact:
    """Who and where a VEN is.

    Parameters
    ----------
    ven : LocalVen
        The VEN.
    desk : VtnDesk
        What the VTN knows of it.
    """

    def __init__(self, ven: LocalVen, desk: VtnDesk) -> None:
        self._ven = ven
        self._desk = desk

    async def meet(self) -> bool:
        """Wait for its call.

        Returns
        -------
        bool
            True: it is known by its certificate or its name, so no other is taken for it.

        Raises
        ------
        DeviceTimeoutError
            If it has not called lately, or is not registered.
        """
        ven = self._ven
        if self.is_silent():
            await ven.news(CALL_S, after=ven.said)
        if self.is_silent():
            raise DeviceTimeoutError("it has not called")
        known = self._desk.state.vens.find(ven.ven_id)
        if known is None or known.registration_id is None:
            raise DeviceTimeoutError("it has called but is not registered")
        ven.met = True
        return True

    async def lose(self) -> None:
        """Nothing ties us to it: it calls again."""

    def go_to(self, address: str) -> None:
        """Take note of an address; it calls us, so this is for people."""
        self._ven.address = address

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""
        ven = self._ven
        known = self._desk.state.vens.find(ven.ven_id)
        return FoundDevice(
            address=ven.address,
            unit=ven.ven_id,
            identity=ven.fingerprint or ven.ven_id,
            device_id=ven.config.device_id,
            about="" if known is None else known.ven_name,
        )

    def is_silent(self) -> bool:
        """Whether it has not called for so long that it must be gone."""
        return self._ven.silent_s() > max(SILENT_S_MIN, SILENT_POLLS * self._ven.wire.poll_s)
