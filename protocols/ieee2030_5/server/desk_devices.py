"""What an operator does with devices: registers, lets in, shuts out, sets rates, clears.

The same state as the clients', without a client's limits. Used by the programs that run the
server; every call is noted in the state's changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.metering import ReadingType
from protocols.ieee2030_5.server.state import Access, Device, Latest, Mirror, Rate, State
from protocols.vocabulary.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValue:
    """The latest value of one quantity, as its device sent it.

    Attributes
    ----------
    lfdi : str
        Of the device.
    role_flags : int
        Where it is measured, bit map of the mirror.
    mrid : str
        Of the quantity.
    reading_type : ReadingType or None
        Unit, direction and scale; signs are the device's.
    value : int
        To be scaled by the type's power of ten.
    start, duration_s : int
        Its period, s since 1970 and s; the moment it came where it has none.
    received_at : int
        s since 1970.
    """

    lfdi: str
    role_flags: int
    mrid: str
    reading_type: ReadingType | None
    value: int
    start: int
    duration_s: int
    received_at: int


class DeviceDesk:
    """The operator's side of devices and mirrors.

    Parameters
    ----------
    state : State
        What the server knows.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, lfdi: str) -> Device | None:
        """Device with an LFDI."""
        found = self._state.devices.where("lfdi", lfdi)
        return found[0] if found else None

    def register(self, lfdi: str, *, owner: str, now: int, pin: int | None = None) -> Device:
        """Register a device, or give a registered one its PIN.

        Parameters
        ----------
        lfdi : str
            Of the device.
        owner : str
            LFDI of the certificate that speaks for it.
        now : int
            s since 1970.
        pin : int or None
            As on the wire, with its check digit.

        Raises
        ------
        LocalProtocolError
            If the LFDI is none.
        """
        sfdi = sfdi_of_lfdi(lfdi)
        known = self.find(lfdi)
        if known is None:
            known = Device(
                number=self._state.number("device"),
                lfdi=lfdi,
                sfdi=sfdi,
                owner=owner,
                changed_at=now,
                registered_at=now,
            )
        elif known.owner != owner:
            raise LocalProtocolError(f"device {lfdi} belongs to {known.owner}")
        return self._state.devices.put(
            known.number, known if pin is None else replace(known, pin=pin)
        )

    def remove(self, device: Device) -> None:
        """Delete a device and all that hangs on it."""
        state = self._state
        for told in state.told.where("device", device.number):
            state.told.drop(f"{device.number}/{told.kind}")
        for entry in state.entries.where("device", device.number):
            state.entries.drop(entry.number)
        for answer in state.answers.where("device", device.number):
            state.answers.drop(answer.number)
        for subscription in state.subscribers.where("device", device.number):
            state.subscribers.drop(subscription.number)
        self.clear_mirrors(device)
        state.devices.drop(device.number)

    def grant(self, lfdi: str, *, granted: bool, aggregator: bool = False) -> None:
        """Let a certificate in or shut it out.

        Parameters
        ----------
        lfdi : str
            Of the certificate.
        granted : bool
            Whether it may do anything.
        aggregator : bool
            Whether it may speak for devices with other LFDIs.
        """
        self._state.access.put(lfdi, Access(lfdi=lfdi, granted=granted, aggregator=aggregator))

    def set_post_rate(self, device: Device, seconds: int) -> None:
        """Set how often a device is to send, also to its mirrors."""
        self._state.devices.put(device.number, replace(device, post_rate_s=seconds))

    def set_poll_rate(self, owner: str, kind: str, seconds: int) -> None:
        """Set how often a client is to read a resource, named as in the standard."""
        rate = Rate(owner=owner, kind=kind, seconds=seconds)
        self._state.rates.put(f"{owner}/{kind}", rate)

    def clear_poll_rates(self, owner: str) -> None:
        """Go back to the configured poll rate for a client."""
        for rate in self._state.rates.where("owner", owner):
            self._state.rates.drop(f"{owner}/{rate.kind}")

    def clear_mirrors(self, device: Device) -> None:
        """Delete all mirrors of a device and their values."""
        for mirror in self._mirrors(device):
            for latest in self._state.latest.where("mirror", mirror.number):
                self._state.latest.drop(f"{mirror.number}/{latest.resource.mrid}")
            self._state.mirrors.drop(mirror.number)

    def values(self, lfdi: str | None = None) -> Iterator[MeterValue]:
        """Latest values of all quantities, of one device or of all."""
        mirrors = (
            self._state.mirrors.all() if lfdi is None else self._state.mirrors.where("device", lfdi)
        )
        for mirror in mirrors:
            for latest in self._state.latest.where("mirror", mirror.number):
                value = quantity_of(mirror, latest)
                if value is not None:
                    yield value

    def _mirrors(self, device: Device) -> tuple[Mirror, ...]:
        return self._state.mirrors.where("device", device.lfdi)


def quantity_of(mirror: Mirror, latest: Latest) -> MeterValue | None:
    """Find the newest value of a quantity, also in its reading sets; None if it has none."""
    reading = latest.resource
    inner = [r for s in reading.mirror_reading_set for r in s.reading]
    inner.sort(key=lambda r: 0 if r.time_period is None else r.time_period.start)
    last = reading.reading or (inner[-1] if inner else None)
    if last is None or last.value is None:
        return None
    period = last.time_period
    return MeterValue(
        lfdi=mirror.resource.device_lfdi,
        role_flags=mirror.resource.role_flags,
        mrid=reading.mrid,
        reading_type=reading.reading_type,
        value=last.value,
        start=latest.at if period is None else period.start,
        duration_s=0 if period is None else period.duration,
        received_at=latest.at,
    )
