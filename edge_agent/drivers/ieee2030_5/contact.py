"""Meeting a client: it has called us with its certificate and has said what it can."""

from typing import Final

from edge_agent.drivers.ieee2030_5.client import Client
from edge_agent.drivers.ieee2030_5.desk import ServerDesk
from edge_agent.drivers.ieee2030_5.ratings import Ratings, Stated, ratings_of
from edge_agent.drivers.port import FoundDevice
from protocols.ieee2030_5.resources.der import DERCapability, DERSettings
from protocols.ieee2030_5.server.state import Told
from protocols.vocabulary.errors import DeviceTimeoutError

CALL_S: Final = 3.0
"""How long a client is given to call when it is looked for."""
SILENT_POLLS: Final = 3.0
SILENT_S_MIN: Final = 35.0
"""A client is gone when it has not called for this many of its own pauses, or this long."""


class ClientContact:
    """Who and where a client is.

    Parameters
    ----------
    client : Client
        The client.
    desk : ServerDesk
        What the server knows of it.
    """

    def __init__(self, client: Client, desk: ServerDesk) -> None:
        self._client = client
        self._desk = desk

    async def meet(self) -> bool:
        """Wait for its call.

        Returns
        -------
        bool
            True: it is known by its certificate, so no other can answer.

        Raises
        ------
        DeviceTimeoutError
            If it has not called lately, or has not said what it can.
        """
        client = self._client
        if self.is_silent():
            await client.news(CALL_S, after=client.said)
        if self.is_silent():
            raise DeviceTimeoutError("it has not called")
        said = client.said
        if not self.ratings().stated and await client.news(CALL_S, after=said):
            await client.news(CALL_S, after=said + 1)
        if not self.ratings().stated:
            raise DeviceTimeoutError("it has called but not said what it can (DERCapability)")
        client.met = True
        return True

    async def lose(self) -> None:
        """Nothing ties us to it: it calls again."""

    def go_to(self, address: str) -> None:
        """Take note of an address; it calls us, so this is for people."""
        self._client.address = address

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""
        client = self._client
        return FoundDevice(
            address=client.address,
            unit=client.lfdi,
            identity=client.lfdi,
            device_id=client.config.device_id,
            about=self._about(),
        )

    def is_silent(self) -> bool:
        """Whether it has not called for so long that it must be gone."""
        wire = self._client.wire
        pause_s = SILENT_POLLS * min(wire.poll_s, wire.report_s)
        return self._client.silent_s() > max(SILENT_S_MIN, pause_s)

    def ratings(self) -> Ratings:
        """Tell what it can."""
        device = self._desk.device_of(self._client)
        told = self._desk.role.state.told
        capability = None if device is None else told.get(f"{device.number}/dercap")
        settings = None if device is None else told.get(f"{device.number}/derg")
        return ratings_of(
            self._client.wire,
            self._client.template.nameplate,
            Stated(capability=_capability(capability), settings=_settings(settings)),
        )

    def _about(self) -> str:
        ratings = self.ratings()
        if not ratings.stated:
            return ""
        modes = ", ".join(ratings.modes) or "no mode that orders a power"
        return f"IEEE 2030.5 client, {ratings.max_w:.0f} W, {modes}"


def _capability(told: Told | None) -> DERCapability | None:
    said = None if told is None else told.resource
    return said if isinstance(said, DERCapability) else None


def _settings(told: Told | None) -> DERSettings | None:
    said = None if told is None else told.resource
    return said if isinstance(said, DERSettings) else None
