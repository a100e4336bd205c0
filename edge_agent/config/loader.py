"""Reads ``site.toml`` and says in one line what is wrong with it.

Called by the command lines only. Everything that can be known without asking a device is
checked here, so that nothing is half done when a site cannot start.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from edge_agent.config.addresses import group_address, interface_address, node_address
from edge_agent.config.devices import at, checked_devices
from edge_agent.config.explain import first_problem
from edge_agent.config.local_sections import ieee2030_5_server, openadr_vtn, page
from edge_agent.config.northbound_sections import ieee2030_5_client, openadr_ven
from edge_agent.config.schema import (
    BacnetSection,
    EchonetSection,
    ForecastSection,
    OcppSection,
    SiteFile,
)
from edge_agent.config.site import (
    BacnetConfig,
    Broker,
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    ModbusConfig,
    OcppConfig,
    SiteConfig,
    TariffConfig,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name
from protocols.vocabulary.resource import ResourceKind

_PORTS: Final[Mapping[str, int]] = {"mqtt": 1883, "mqtts": 8883}


def load_config(path: Path) -> SiteConfig:
    """Load and check the configuration of one site.

    Parameters
    ----------
    path : Path
        A TOML file. A relative ``data_dir`` in it is taken from the file's own folder.

    Returns
    -------
    SiteConfig
        Complete and consistent.

    Raises
    ------
    ConfigError
        ``<file>: <key>: <cause>`` for the first thing that is wrong.
    """
    document = _parsed(path)
    try:
        site_file = SiteFile.model_validate(document)
    except ValidationError as error:
        problem = first_problem(error, SiteFile)
        raise ConfigError(f"{path.name}: {problem}") from None
    try:
        return _site(site_file, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: file: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name}: file: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: file: is not TOML: {error}") from None


def _site(site_file: SiteFile, folder: Path) -> SiteConfig:
    devices = checked_devices(site_file.devices)
    _check_sections(site_file, devices)
    pv_peak_w = site_file.pv.peak_w if site_file.pv is not None else 0.0
    if pv_peak_w == 0.0 and any(device.kind is ResourceKind.PV for device in devices):
        raise ConfigError("pv.peak_w: missing, but devices has one of kind 'pv'; its rating in W")
    return SiteConfig(
        site_id=SiteId(at("site_id", lambda: checked_name(site_file.site_id, "site id"))),
        zone=ZoneId(at("zone", lambda: checked_name(site_file.zone, "zone id"))),
        data_dir=_data_dir(site_file.data_dir, folder),
        link=LinkConfig(
            brokers=tuple(_broker(i, url) for i, url in enumerate(site_file.link.brokers)),
            keepalive_s=site_file.link.keepalive_s,
        ),
        limits=LimitsConfig(**site_file.limits.model_dump()),
        tariff=TariffConfig(**site_file.tariff.model_dump()),
        location=LocationConfig(**site_file.location.model_dump()),
        echonet=_echonet(site_file.echonet),
        modbus=ModbusConfig(timeout_s=site_file.modbus.timeout_s),
        bacnet=_bacnet(site_file.bacnet),
        ocpp=_ocpp(site_file.ocpp, folder),
        ieee2030_5_server=ieee2030_5_server(site_file.ieee2030_5_server, folder),
        openadr_vtn=openadr_vtn(site_file.openadr_vtn, folder),
        ieee2030_5_client=ieee2030_5_client(site_file.ieee2030_5_client, folder),
        openadr_ven=openadr_ven(site_file.openadr_ven, folder),
        journal=JournalConfig(**site_file.journal.model_dump()),
        pv_peak_w=pv_peak_w,
        forecast_model=_forecast_model(site_file.forecast, folder),
        page=page(site_file.page, folder),
        identity_dir=_identity_dir(site_file, folder),
        devices=devices,
    )


def _check_sections(site_file: SiteFile, devices: tuple[DeviceConfig, ...]) -> None:
    """Refuse a device whose protocol has no section where it needs one."""
    sections: Mapping[str, tuple[str, object]] = {
        "echonet-lite": ("echonet", site_file.echonet),
        "bacnet": ("bacnet", site_file.bacnet),
        "ocpp": ("ocpp", site_file.ocpp),
        "ieee2030.5": ("ieee2030_5_server", site_file.ieee2030_5_server),
        "openadr": ("openadr_vtn", site_file.openadr_vtn),
    }
    for index, device in enumerate(devices):
        name, section = sections.get(device.protocol, ("", device))
        if section is None:
            raise ConfigError(
                f"{name}: is missing, but devices[{index}] ({device.device_id!r}) speaks "
                f"{device.protocol}; write [{name}] with the gateway's own address"
            )


def _echonet(section: EchonetSection | None) -> EchonetConfig | None:
    if section is None:
        return None
    return EchonetConfig(
        address=at("echonet.address", lambda: node_address(section.address)),
        port=section.port,
        group=at("echonet.group", lambda: group_address(section.group)),
        timeout_s=section.timeout_s,
    )


def _bacnet(section: BacnetSection | None) -> BacnetConfig | None:
    if section is None:
        return None
    return BacnetConfig(
        address=at("bacnet.address", lambda: interface_address(section.address)),
        port=section.port,
        device_instance=section.device_instance,
        priority=section.priority,
    )


def _ocpp(section: OcppSection | None, folder: Path) -> OcppConfig | None:
    if section is None:
        return None
    if (section.certificate is None) != (section.key is None):
        raise ConfigError("ocpp.key: TLS needs certificate and key, both or neither")
    return OcppConfig(
        address=at("ocpp.address", lambda: node_address(section.address)),
        port=section.port,
        password=section.password,
        certificate=None if section.certificate is None else folder / section.certificate,
        key=None if section.key is None else folder / section.key,
    )


def _forecast_model(section: ForecastSection | None, folder: Path) -> Path | None:
    if section is None:
        return None
    path = folder / section.model
    if not path.is_file():
        raise ConfigError(f"forecast.model: {section.model!r} is not a file in {folder}")
    return path


def _data_dir(text: str, folder: Path) -> Path:
    if not text.strip():
        raise ConfigError("data_dir: is empty; name a folder, for example 'data'")
    return (folder / text).resolve()


def _broker(index: int, url: str) -> Broker:
    key = f"link.brokers[{index}]"
    cause = f"{key}: {url!r} is not a broker; write mqtt://host:1883 or mqtts://host:8883"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(cause) from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ConfigError(cause)
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"{cause}, without user, path or query")
    return Broker(
        host=parts.hostname, port=port or _PORTS[parts.scheme], tls=parts.scheme == "mqtts"
    )


def _identity_dir(site_file: SiteFile, folder: Path) -> Path | None:
    """Folder of the identity; every broker must be one of TLS then."""
    if site_file.identity is None:
        return None
    for i, url in enumerate(site_file.link.brokers):
        if not url.startswith("mqtts://"):
            raise ConfigError(f"link.brokers[{i}]: {url!r}: with an identity, use mqtts://")
    return folder / site_file.identity.folder
