"""Who asks, and so what there is: a client sees its own devices and what they are assigned.

Everything that reads or writes the tree takes a caller; there is no way to a device, program
or mirror but through one. The identity is the certificate's, never a body's.
"""

from functools import cached_property

from protocols.ieee2030_5.server.refusal import RefusedError, not_found
from protocols.ieee2030_5.server.state import (
    Access,
    Assignment,
    Device,
    Mirror,
    Program,
    State,
)
from protocols.sansio.http import PeerIdentity


class Caller:
    """A client of the server, as its certificate says.

    Parameters
    ----------
    state : State
        What the server knows.
    peer : PeerIdentity or None
        From the certificate.

    Raises
    ------
    RefusedError
        With 403 if there is no certificate or its access was taken away.

    Notes
    -----
    IEEE 2030.5-2018, 6.3.4 and 8.4 (access control by LFDI).
    """

    def __init__(self, state: State, peer: PeerIdentity | None) -> None:
        if peer is None:
            raise RefusedError(403, "no client certificate")
        access = state.access.get(peer.lfdi) or Access(lfdi=peer.lfdi)
        if not access.granted:
            raise RefusedError(403, "access was taken away")
        self._state = state
        self.lfdi = peer.lfdi
        self.aggregator = access.aggregator

    @cached_property
    def devices(self) -> tuple[Device, ...]:
        """Devices it may see, by ascending SFDI."""
        mine = self._state.devices.where("owner", self.lfdi)
        return tuple(sorted(mine, key=lambda device: (device.sfdi, device.number)))

    def device(self, number: int) -> Device:
        """One of its devices.

        Raises
        ------
        RefusedError
            With 404 if it has no such device.
        """
        found = self._state.devices.get(number)
        if found is None or found.owner != self.lfdi:
            raise not_found()
        return found

    def speaks_for(self, lfdi: str) -> Device | None:
        """Its device with an LFDI."""
        mine = (d for d in self._state.devices.where("lfdi", lfdi) if d.owner == self.lfdi)
        return next(mine, None)

    def assignment(self, device: int, number: int) -> Assignment:
        """Find a function set assignment of one of its devices.

        Raises
        ------
        RefusedError
            With 404 if there is none.
        """
        found = self._state.assignments.get(number)
        if found is None or number not in self.device(device).assignments:
            raise not_found()
        return found

    def program(self, number: int) -> Program:
        """Find a program that one of its devices is to follow.

        Raises
        ------
        RefusedError
            With 404 if there is none.
        """
        found = self._state.programs.get(number)
        if found is None or not self._follows(number):
            raise not_found()
        return found

    def mirror(self, number: int) -> Mirror:
        """One of its mirrors.

        Raises
        ------
        RefusedError
            With 404 if there is none.
        """
        found = self._state.mirrors.get(number)
        if found is None or found.owner != self.lfdi:
            raise not_found()
        return found

    def _follows(self, program: int) -> bool:
        for assignment in self._state.assignments.where("program", program):
            for device in self._state.devices.where("assignment", assignment.number):
                if device.owner == self.lfdi:
                    return True
        return False
