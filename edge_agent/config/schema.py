"""The file's shape as pydantic models: the border between what a person wrote and us.

Only the loader uses these; the rest of the agent sees :mod:`edge_agent.config.site`. Strict:
no text for numbers, no unknown keys, no NaN.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Efficiency = Annotated[float, Field(gt=0.0, le=1.0)]
_Wear = Annotated[float, Field(ge=0.0, le=1000.0)]
_Comfort = Annotated[float, Field(ge=0.0, le=10_000.0)]
_Price = Annotated[float, Field(ge=-1000.0, le=1000.0)]


class _Section(BaseModel):
    """Strict, closed, finite numbers only."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class LinkSection(_Section):
    """``[link]``."""

    brokers: Annotated[list[str], Field(min_length=1, max_length=16)]
    keepalive_s: Annotated[int, Field(ge=1, le=3600)] = 10


class LimitsSection(_Section):
    """``[limits]``; the smallest Japanese contract is 5 A at 100 V, hence 500 W."""

    contract_import_w: Annotated[float, Field(ge=500.0, le=1e7)]
    export_limit_w: Annotated[float, Field(ge=0.0, le=1e7)]


class TariffSection(_Section):
    """``[tariff]``."""

    import_jpy_per_kwh: _Price
    export_jpy_per_kwh: _Price


class LocationSection(_Section):
    """``[location]``."""

    latitude: Annotated[float, Field(ge=-90.0, le=90.0)]
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)]


class PvSection(_Section):
    """``[pv]``."""

    peak_w: Annotated[float, Field(ge=0.0, le=1e7)]


class ForecastSection(_Section):
    """``[forecast]``."""

    model: str


class EchonetSection(_Section):
    """``[echonet]``."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 3610
    group: str = "224.0.23.0"
    timeout_s: Annotated[float | None, Field(ge=0.05, le=30.0)] = None


class ModbusSection(_Section):
    """``[modbus]``."""

    timeout_s: Annotated[float | None, Field(ge=0.05, le=30.0)] = None


class BacnetSection(_Section):
    """``[bacnet]``; the priorities that save life and machines (1..5) are not ours to use."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 47808
    device_instance: Annotated[int, Field(ge=0, le=4_194_302)] = 4_190_000
    priority: Annotated[int, Field(ge=7, le=16)] = 10


class OcppSection(_Section):
    """``[ocpp]``."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 8887
    password: Annotated[str | None, Field(min_length=16, max_length=40)] = None
    certificate: str | None = None
    key: str | None = None


class Ieee2030_5ServerSection(_Section):  # noqa: N801 - the standard's own number
    """``[ieee2030_5_server]``."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 8443
    certificate: str
    key: str
    ca: str
    pin: Annotated[int | None, Field(ge=0, le=999_999)] = None
    csip_aus: bool = False


class OpenAdrVtnSection(_Section):
    """``[openadr_vtn]``; some VENs refuse a vtnID without a capital letter."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 8081
    vtn_id: Annotated[str, Field(min_length=1, max_length=128)] = "VTN-gateway"
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    signed: bool = False


class _NorthboundSection(_Section):
    """What the clients of the grid's languages have in common."""

    url: str
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    listen_address: str | None = None
    listen_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    listen_url: str | None = None


class Ieee2030_5ClientSection(_NorthboundSection):  # noqa: N801 - the standard's own number
    """``[ieee2030_5_client]``; the standard's clients ask no more often than every 10 s."""

    pin: Annotated[int | None, Field(ge=0, le=999_999)] = None
    registers: bool = True
    csip_aus: bool = False
    poll_s_min: Annotated[float, Field(ge=1.0, le=3600.0)] = 10.0


class OpenAdrVenSection(_NorthboundSection):
    """``[openadr_ven]``."""

    ven_name: Annotated[str, Field(min_length=1, max_length=128)]
    vtn_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    signed: bool = False
    vtn_fingerprint: Annotated[str | None, Field(pattern=r"^[0-9A-F]{2}(:[0-9A-F]{2}){9}$")] = None
    poll_s: Annotated[float | None, Field(ge=1.0, le=86_400.0)] = None
    market_contexts: Annotated[list[str], Field(max_length=32)] = []
    signals: str | None = None
    acts_on_tests: bool = False


class JournalSection(_Section):
    """``[journal]``: 2 GB hold 60 days of 1-s rows; replay inputs are kept for a week."""

    bytes_max: Annotated[int, Field(ge=1_000_000, le=10**12)] = 2_000_000_000
    tick_age_s_max: Annotated[float, Field(ge=60.0)] = 604_800.0


class DeviceSection(_Section):
    """One ``[[devices]]``."""

    id: str
    template: str | None = None
    kind: (
        Literal["battery", "pv", "ev-charger", "ev-v2h", "fuel-cell", "heat-pump", "load", "meter"]
        | None
    ) = None
    protocol: (
        Literal["echonet-lite", "sunspec", "modbus", "bacnet", "ocpp", "ieee2030.5", "openadr"]
        | None
    ) = None
    address: str = ""
    eoj: str | None = None
    identity: str | None = None
    power_w_min: Annotated[float | None, Field(ge=-1e7, le=0.0)] = None
    power_w_max: Annotated[float | None, Field(ge=0.0, le=1e7)] = None
    ramp_w_per_s: Annotated[float | None, Field(gt=0.0, le=1e7)] = None
    soc_min: _Share = 0.0
    soc_max: _Share = 1.0
    energy_wh_capacity: Annotated[float | None, Field(gt=0.0, le=1e9)] = None
    efficiency_charge: _Efficiency = 0.95
    efficiency_discharge: _Efficiency = 0.95
    degradation_jpy_per_kwh: _Wear = 0.0
    comfort_jpy_per_kwh: _Comfort = 60.0
    parent: str | None = None


class PageSection(_Section):
    """``[page]``: the gateway's own page; beyond the gateway itself it needs TLS."""

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8071
    pin_file: str
    certificate: str | None = None
    key: str | None = None


class IdentitySection(_Section):
    """``[identity]``: the folder that provisioning fills; TLS and signatures are demanded then."""

    folder: str = "identity"


class SiteFile(_Section):
    """The whole file."""

    site_id: str
    zone: str
    data_dir: str
    link: LinkSection
    limits: LimitsSection
    tariff: TariffSection
    location: LocationSection
    echonet: EchonetSection | None = None
    modbus: ModbusSection = ModbusSection()
    bacnet: BacnetSection | None = None
    ocpp: OcppSection | None = None
    ieee2030_5_server: Ieee2030_5ServerSection | None = None
    openadr_vtn: OpenAdrVtnSection | None = None
    ieee2030_5_client: Ieee2030_5ClientSection | None = None
    openadr_ven: OpenAdrVenSection | None = None
    pv: PvSection | None = None
    forecast: ForecastSection | None = None
    journal: JournalSection = JournalSection()
    page: PageSection | None = None
    identity: IdentitySection | None = None
    devices: Annotated[list[DeviceSection], Field(min_length=1, max_length=500)]
