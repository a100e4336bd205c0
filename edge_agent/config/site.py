"""A site's configuration as plain frozen data, checked once at the border.

Made by :func:`edge_agent.config.loader.load_config`, read by every room of the agent. It is
not the file: nothing here knows TOML or pydantic. Powers in W, generator frame (+ toward the
grid); prices in JPY.
"""

from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.local_servers import Ieee2030_5ServerConfig, OpenAdrVtnConfig, PageConfig
from edge_agent.config.northbound import Ieee2030_5ClientConfig, OpenAdrVenConfig
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import ResourceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker of the list, in the order of preference.

    Attributes
    ----------
    host : str
        Name or address.
    port : int
        1..65535.
    tls : bool
        True for ``mqtts``.
    """

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """``mqtt[s]://host:port``."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Where the coordinator's brokers are.

    Attributes
    ----------
    brokers : tuple of Broker
        Tried in this order, at least one.
    keepalive_s : int
        MQTT keep-alive, s.
    """

    brokers: tuple[Broker, ...]
    keepalive_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Limits at the site's meter that hold whatever anybody asks.

    Attributes
    ----------
    contract_import_w : float
        Greatest import in W, as a positive number (the meter may not go below ``-this``).
    export_limit_w : float
        Greatest export in W, >= 0; 0 bans reverse flow.
    """

    contract_import_w: float
    export_limit_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffConfig:
    """What the owner pays and earns per kWh at the meter, JPY."""

    import_jpy_per_kwh: float
    export_jpy_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationConfig:
    """Where the site is, for the sun: degrees, + north and east."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EchonetConfig:
    """The gateway's own ECHONET Lite node.

    Attributes
    ----------
    address : str
        IPv4 address of the interface the gateway sends from.
    port : int
        UDP port; 3610 by the specification.
    group : str
        IPv4 multicast group; 224.0.23.0 by the specification.
    timeout_s : float or None
        How long an answer may take, s; None: what each device's template says, else 2 s.
    """

    address: str
    port: int
    group: str
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusConfig:
    """How Modbus devices are spoken with, SunSpec or not.

    Attributes
    ----------
    timeout_s : float or None
        How long an answer may take, s; None: what each device's template says.
    """

    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacnetConfig:
    """The gateway's own BACnet/IP device.

    Attributes
    ----------
    address : str
        IPv4 address of the interface with the prefix of its network, ``"10.0.0.5/24"``.
    port : int
        UDP port; 47808 by the standard.
    device_instance : int
        Of the gateway's own device object, 0..4194302.
    priority : int
        At which we command, 1..16; 8 is the manual operator's.
    """

    address: str
    port: int
    device_instance: int
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppConfig:
    """The gateway's own central system that chargers call.

    Attributes
    ----------
    address : str
        IPv4 address it listens at.
    port : int
        TCP port.
    password : str or None
        What chargers must present (HTTP basic authentication); None: nothing.
    certificate, key : Path or None
        PEM files for TLS; None: none.
    """

    address: str
    port: int
    password: str | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """How much of the record the gateway keeps.

    Attributes
    ----------
    bytes_max : int
        Size the journal file is kept under, as far as unacknowledged entries allow.
    tick_age_s_max : float
        How long replay inputs are kept, s.
    """

    bytes_max: int
    tick_age_s_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One device on the site's network.

    Attributes
    ----------
    device_id : str
        ``id`` in the file; unique within the site.
    kind : ResourceKind
        What it is.
    protocol : str
        ``"echonet-lite"``, ``"sunspec"``, ``"modbus"``, ``"bacnet"``, ``"ocpp"``,
        ``"ieee2030.5"`` or ``"openadr"``.
    address : str
        In the syntax of its protocol (:mod:`edge_agent.config.addresses`); empty for a
        charger or a client of one of our servers, which call us.
    eoj : str
        ECHONET object, six upper-case hexadecimal digits such as ``"027D01"``; empty for
        other protocols.
    template_id : str or None
        Its product family; None for an ECHONET device known by its class alone.
    identity : str or None
        What stays when the address changes: ECHONET identification number (EPC 83) in
        upper-case hexadecimal, SunSpec ``maker/model/serial``, BACnet device instance,
        charge point id, LFDI of IEEE 2030.5, venID or fingerprint of OpenADR.
    power_w_min, power_w_max : float or None
        Bounds in W, generator frame, ``min <= 0 <= max``; None: what the device states.
    ramp_w_per_s : float or None
        Greatest change of power; None: what the device states, or no limit.
    soc_min, soc_max : float
        The owner's bounds, 0..1 of usable energy.
    energy_wh_capacity : float or None
        Usable energy; None: what the device states.
    efficiency_charge, efficiency_discharge : float
        One-way efficiencies, 0 < e <= 1.
    degradation_jpy_per_kwh : float
        Wear per kWh through the storage, >= 0.
    comfort_jpy_per_kwh : float
        What a kWh costs that a load had to go without, >= 0. Above the tariff, so that only
        orders, limits and obligations hold it down.
    parent : str or None
        Device id of the power conditioner it is behind, whose power contains its own; None
        if it is behind none, or the conditioner states it itself (ECHONET 02A5, EPC E8).
    """

    device_id: str
    kind: ResourceKind
    protocol: str
    address: str
    eoj: str = ""
    template_id: str | None = None
    identity: str | None = None
    power_w_min: float | None = None
    power_w_max: float | None = None
    ramp_w_per_s: float | None = None
    soc_min: float = 0.0
    soc_max: float = 1.0
    energy_wh_capacity: float | None = None
    efficiency_charge: float = 0.95
    efficiency_discharge: float = 0.95
    degradation_jpy_per_kwh: float = 0.0
    comfort_jpy_per_kwh: float = 60.0
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """Everything a person decides about one site.

    Attributes
    ----------
    site_id : SiteId
        Also the MQTT client id and the certificate's name.
    zone : ZoneId
        Whose dispatch signal it follows.
    data_dir : Path
        Absolute, or relative to the working directory; the loader resolves it against the
        folder of the file.
    link, limits, tariff, location, journal
        The sections of the file.
    echonet, bacnet, ocpp, ieee2030_5_server, openadr_vtn
        Sections of protocols; None where the file has none, and then no such device either.
    ieee2030_5_client, openadr_ven
        Sections of northbound clients; None where the file has none.
    page : PageConfig or None
        Section of the gateway's own page; None: there is none.
    identity_dir : Path or None
        Folder of keys and certificate; None: plain and unsigned, for a test's own broker.
    modbus : ModbusConfig
        Section of Modbus.
    pv_peak_w : float
        Rated power of the PV in W, 0 without PV.
    forecast_model : Path or None
        ONNX model of the forecast; relative to the folder of the file. None forecasts by the
        shipped models of a site, with persistence and clear sky behind them.
    devices : tuple of DeviceConfig
        In the order of the file; exactly one is the meter.
    """

    site_id: SiteId
    zone: ZoneId
    data_dir: Path
    link: LinkConfig
    limits: LimitsConfig
    tariff: TariffConfig
    location: LocationConfig
    echonet: EchonetConfig | None
    journal: JournalConfig
    pv_peak_w: float
    forecast_model: Path | None
    devices: tuple[DeviceConfig, ...]
    modbus: ModbusConfig = ModbusConfig()
    bacnet: BacnetConfig | None = None
    ocpp: OcppConfig | None = None
    ieee2030_5_server: Ieee2030_5ServerConfig | None = None
    openadr_vtn: OpenAdrVtnConfig | None = None
    ieee2030_5_client: Ieee2030_5ClientConfig | None = None
    openadr_ven: OpenAdrVenConfig | None = None
    page: PageConfig | None = None
    identity_dir: Path | None = None

    @property
    def meter(self) -> DeviceConfig:
        """The device that measures the whole site."""
        return next(device for device in self.devices if device.kind is ResourceKind.METER)

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.data_dir / f"{self.site_id}.journal.sqlite"

    def devices_of(self, *protocols: str) -> tuple[DeviceConfig, ...]:
        """Devices of some protocols, in the order of the file."""
        return tuple(device for device in self.devices if device.protocol in protocols)

    def resource_id(self, device_id: str) -> ResourceId:
        """``<site>/<device>``, the name the rest of the world uses."""
        return ResourceId(f"{self.site_id}/{device_id}")
