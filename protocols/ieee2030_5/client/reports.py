"""What a site says of itself to the server: ratings, settings, status, availability, readings.

Pure translation of plain figures into resources. What is not known is left out: an old value
never looks fresh. Power is in our frame, + toward the grid; a mirror says in its reading type
which way its values flow, and site readings are turned (+ delivered to the customer).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocols.ieee2030_5.client.modes import NO_MODES
from protocols.ieee2030_5.resources.der import (
    ConnectStatusType,
    DERAvailability,
    DERCapability,
    DERControlBase,
    DERSettings,
    DERStatus,
    StateOfChargeStatusType,
    StatusValue,
)
from protocols.ieee2030_5.resources.elements import (
    ActivePower,
    DateTimeInterval,
    WattHour,
)
from protocols.ieee2030_5.resources.metering import (
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)
from protocols.ieee2030_5.units import encode_active_power, percent_of_ratio, scaled
from protocols.ieee2030_5.xml import table_of

SITE_ROLE, DER_ROLE = 0x0003, 0x0049
"""Role flags: mirror at the premises' connection; mirror of a DER behind it."""
_FORWARD, _REVERSE = 1, 19
_WATT, _AVERAGE, _INSTANTANEOUS, _POWER_KIND, _ELECTRICITY = 38, 2, 12, 37, 1
_FIRST_MODE_BIT = 2
_DOE_BITS = ("opModExpLimW", "opModImpLimW", "opModGenLimW", "opModLoadLimW")
_MIXED_DER = 1
_CONNECTED, _AVAILABLE, _OPERATING = 0b001, 0b010, 0b100
_OPERATIONAL = 2
_CHARGING, _DISCHARGING, _HOLDING = 0, 1, 2
_STILL_W = 1.0
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRatings:
    """What percentages count from, W and Wh, all >= 0."""

    max_w: float
    max_charge_w: float
    max_discharge_w: float
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """A second of the site.

    Attributes
    ----------
    at_s : float
        Our time.
    meter_w, der_w, store_w : float or None
        At the site's meter; generators and stores together; stores together. + toward the
        grid; None while unknown.
    soc : float or None
        0..1, of all stores together.
    ratings : SiteRatings
        Of the devices that are here.
    """

    at_s: float
    meter_w: float | None
    der_w: float | None
    store_w: float | None
    soc: float | None
    ratings: SiteRatings


def mode_bits(modes: Iterable[str]) -> int:
    """``modesSupported`` of modes; those of the extension have no bit here."""
    words = [slot.tag.rpartition("}")[2] for slot in table_of(DERControlBase).slots]
    wanted = set(modes) - NO_MODES - set(_DOE_BITS)
    return sum(1 << (words.index(mode) + _FIRST_MODE_BIT) for mode in wanted & set(words))


def doe_bits(modes: Iterable[str]) -> int:
    """``doeModesSupported`` of modes (CSIP-AUS 1.2)."""
    wanted = set(modes)
    return sum(1 << bit for bit, mode in enumerate(_DOE_BITS) if mode in wanted)


def capability(ratings: SiteRatings, modes: Iterable[str]) -> DERCapability:
    """Name plate of the site as one DER."""
    modes = tuple(modes)
    return DERCapability(
        modes_supported=mode_bits(modes),
        rtg_max_charge_rate_w=_power(ratings.max_charge_w),
        rtg_max_discharge_rate_w=_power(ratings.max_discharge_w),
        rtg_max_w=encode_active_power(ratings.max_w),
        rtg_max_wh=scaled(WattHour, ratings.energy_wh) if ratings.energy_wh else None,
        type=_MIXED_DER,
        doe_modes_supported=doe_bits(modes),
    )


def der_settings(
    ratings: SiteRatings, modes: Iterable[str], *, grad_percent_per_s: float, server_s: float
) -> DERSettings:
    """Give the settings of the site as one DER; nobody throttles its ratings."""
    modes = tuple(modes)
    return DERSettings(
        modes_enabled=mode_bits(modes),
        set_grad_w=round(grad_percent_per_s * 100.0),
        set_max_charge_rate_w=_power(ratings.max_charge_w),
        set_max_discharge_rate_w=_power(ratings.max_discharge_w),
        set_max_w=encode_active_power(ratings.max_w),
        set_max_wh=scaled(WattHour, ratings.energy_wh) if ratings.energy_wh else None,
        updated_time=int(server_s),
        doe_modes_enabled=doe_bits(modes),
    )


def status(facts: SiteFacts, server_s: float) -> DERStatus:
    """Say what the site's DER does now."""
    at = int(server_s)
    known = facts.der_w is not None
    working = facts.der_w is not None and abs(facts.der_w) > _STILL_W
    connected = _CONNECTED | _AVAILABLE | (_OPERATING if working else 0)
    return DERStatus(
        gen_connect_status=ConnectStatusType(date_time=at, value=connected) if known else None,
        operational_mode_status=StatusValue(date_time=at, value=_OPERATIONAL) if known else None,
        reading_time=at,
        state_of_charge_status=None
        if facts.soc is None
        else StateOfChargeStatusType(date_time=at, value=percent_of_ratio(max(facts.soc, 0.0))),
        storage_mode_status=None
        if facts.store_w is None or not facts.ratings.energy_wh
        else StatusValue(date_time=at, value=_storage_mode(facts.store_w)),
        stor_connect_status=ConnectStatusType(date_time=at, value=connected)
        if known and facts.ratings.energy_wh
        else None,
    )


def availability(facts: SiteFacts, server_s: float) -> DERAvailability:
    """How much the site's DER could do."""
    ratings = facts.ratings
    giving_s = taking_s = None
    if facts.soc is not None and ratings.max_discharge_w > 0.0 and ratings.max_charge_w > 0.0:
        stored_wh = facts.soc * ratings.energy_wh
        room_wh = ratings.energy_wh - stored_wh
        giving_s = _seconds(stored_wh / ratings.max_discharge_w)
        taking_s = _seconds(room_wh / ratings.max_charge_w)
    reserve_w = None if facts.der_w is None else max(ratings.max_w - facts.der_w, 0.0)
    return DERAvailability(
        availability_duration=giving_s,
        max_charge_duration=taking_s,
        reading_time=int(server_s),
        reserve_percent=None
        if reserve_w is None or ratings.max_w <= 0.0
        else percent_of_ratio(reserve_w / ratings.max_w),
        stat_w_avail=None if reserve_w is None else encode_active_power(reserve_w),
    )


def mirror(lfdi: str, mrids: tuple[str, str], role: int, *, interval_s: int) -> MirrorUsagePoint:
    """Make the mirror of one power.

    Parameters
    ----------
    lfdi : str
        Our own.
    mrids : tuple of str
        Of the usage point and of its only quantity.
    role : int
        SITE_ROLE (+ delivered to the customer) or DER_ROLE (+ toward the grid).
    interval_s : int
        Over which a value is the mean.
    """
    return MirrorUsagePoint(
        mrid=mrids[0],
        description="site power" if role == SITE_ROLE else "DER power",
        role_flags=role,
        service_category_kind=0,
        status=1,
        device_lfdi=lfdi,
        mirror_meter_reading=(
            MirrorMeterReading(
                mrid=mrids[1],
                description="mean real power",
                reading_type=ReadingType(
                    accumulation_behaviour=_INSTANTANEOUS,
                    commodity=_ELECTRICITY,
                    data_qualifier=_AVERAGE,
                    flow_direction=_FORWARD if role == SITE_ROLE else _REVERSE,
                    interval_length=interval_s,
                    kind=_POWER_KIND,
                    power_of_ten_multiplier=0,
                    uom=_WATT,
                ),
            ),
        ),
    )


def mirrored(
    mrid: str, role: int, mean_w: float, *, period: DateTimeInterval
) -> MirrorMeterReading:
    """One value for a mirror.

    Parameters
    ----------
    mrid : str
        Of its quantity.
    role : int
        As the mirror was made.
    mean_w : float
        W, + toward the grid.
    period : DateTimeInterval
        Server's time.
    """
    value = round(-mean_w if role == SITE_ROLE else mean_w)
    return MirrorMeterReading(
        mrid=mrid,
        last_update_time=period.start + period.duration,
        reading=Reading(quality_flags=0, time_period=period, value=value),
    )


def _power(power_w: float) -> ActivePower | None:
    return encode_active_power(power_w) if power_w > 0.0 else None


def _storage_mode(store_w: float) -> int:
    if abs(store_w) <= _STILL_W:
        return _HOLDING
    return _DISCHARGING if store_w > 0.0 else _CHARGING


def _seconds(hours: float) -> int:
    return min(max(round(hours * 3600.0), 0), 365 * _DAY_S)
