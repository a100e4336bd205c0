"""Reads ``site.toml`` and says in one line what is wrong with it.

Called by the command lines only. Everything that can be known without asking a device is
checked here, so that nothing is half done when a site cannot start.
"""

import tomllib
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from edge_agent.config.explain import first_problem
from edge_agent.config.schema import DeviceSection, ForecastSection, SiteFile
from edge_agent.config.site import (
    Broker,
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name
from protocols.vocabulary.resource import ResourceKind

_EOJ_CLASSES: Final[Mapping[ResourceKind, tuple[str, ...]]] = {
    ResourceKind.BATTERY: ("027D",),
    ResourceKind.PV: ("0279",),
    ResourceKind.EV_CHARGER: ("02A1",),
    ResourceKind.EV_V2H: ("027E",),
    ResourceKind.FUEL_CELL: ("027C",),
    ResourceKind.HEAT_PUMP: ("026B",),
    ResourceKind.METER: ("0288", "028D", "02A5"),
}
_EOJ_DIGITS: Final = 6
_NODE_ID_DIGITS: Final = 34
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
    devices = tuple(_device(i, section) for i, section in enumerate(site_file.devices))
    _check_together(devices)
    pv_peak_w = site_file.pv.peak_w if site_file.pv is not None else 0.0
    if pv_peak_w == 0.0 and any(device.kind is ResourceKind.PV for device in devices):
        raise ConfigError("pv.peak_w: missing, but devices has one of kind 'pv'; its rating in W")
    echonet = site_file.echonet
    return SiteConfig(
        site_id=SiteId(_at("site_id", lambda: checked_name(site_file.site_id, "site id"))),
        zone=ZoneId(_at("zone", lambda: checked_name(site_file.zone, "zone id"))),
        data_dir=_data_dir(site_file.data_dir, folder),
        link=LinkConfig(
            brokers=tuple(_broker(i, url) for i, url in enumerate(site_file.link.brokers)),
            keepalive_s=site_file.link.keepalive_s,
        ),
        limits=LimitsConfig(**site_file.limits.model_dump()),
        tariff=TariffConfig(**site_file.tariff.model_dump()),
        location=LocationConfig(**site_file.location.model_dump()),
        echonet=EchonetConfig(
            address=_address("echonet.address", echonet.address),
            port=echonet.port,
            group=_group("echonet.group", echonet.group),
            timeout_s=echonet.timeout_s,
        ),
        journal=JournalConfig(**site_file.journal.model_dump()),
        pv_peak_w=pv_peak_w,
        forecast_model=_forecast_model(site_file.forecast, folder),
        devices=devices,
    )


def _at(key: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


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


def _address(key: str, text: str) -> str:
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise ConfigError(f"{key}: {text!r} is not an IPv4 address like 192.168.1.20") from None
    if address.is_multicast:
        raise ConfigError(f"{key}: {text} is a multicast group, not the address of one node")
    return str(address)


def _group(key: str, text: str) -> str:
    try:
        address = IPv4Address(text)
    except AddressValueError:
        address = None
    if address is None or not address.is_multicast:
        raise ConfigError(f"{key}: {text!r} is not an IPv4 multicast group like 224.0.23.0")
    return str(address)


def _device(index: int, section: DeviceSection) -> DeviceConfig:
    where = f"devices[{index}]"
    kind = ResourceKind(section.kind)
    if section.soc_min >= section.soc_max:
        raise ConfigError(
            f"{where}.soc_min: {section.soc_min:g} must be below soc_max {section.soc_max:g}"
        )
    return DeviceConfig(
        device_id=_at(f"{where}.id", lambda: checked_name(section.id, "device id")),
        kind=kind,
        protocol=section.protocol,
        address=_address(f"{where}.address", section.address),
        eoj=_eoj(f"{where}.eoj", section.eoj, kind),
        node_id=_node_id(f"{where}.node_id", section.node_id),
        **section.model_dump(exclude={"id", "kind", "protocol", "address", "eoj", "node_id"}),
    )


def _eoj(key: str, text: str, kind: ResourceKind) -> str:
    digits = text.upper()
    if len(digits) != _EOJ_DIGITS or not _is_hexadecimal(digits) or digits.endswith("00"):
        raise ConfigError(
            f"{key}: {text!r} is not an ECHONET object; six hexadecimal digits: class group, "
            "class, instance 01..7F, like '027D01'"
        )
    classes = _EOJ_CLASSES.get(kind)
    if classes is not None and digits[:4] not in classes:
        raise ConfigError(
            f"{key}: {text!r} is class {digits[:4]}, but kind {kind.value!r} is class "
            f"{' or '.join(classes)}"
        )
    return digits


def _node_id(key: str, text: str | None) -> str | None:
    if text is None:
        return None
    digits = text.upper()
    if len(digits) != _NODE_ID_DIGITS or not _is_hexadecimal(digits) or digits[:2] != "FE":
        raise ConfigError(
            f"{key}: {text!r} is not an identification number (EPC 83): 34 hexadecimal digits "
            "beginning with FE"
        )
    return digits


def _is_hexadecimal(digits: str) -> bool:
    return all(digit in "0123456789ABCDEF" for digit in digits)


def _check_together(devices: tuple[DeviceConfig, ...]) -> None:
    ids: dict[str, int] = {}
    objects: dict[tuple[str, str], int] = {}
    for index, device in enumerate(devices):
        first = ids.setdefault(device.device_id, index)
        if first != index:
            raise ConfigError(
                f"devices[{index}].id: {device.device_id!r} is already the id of devices[{first}]"
            )
        first = objects.setdefault((device.address, device.eoj), index)
        if first != index:
            raise ConfigError(
                f"devices[{index}].eoj: {device.eoj} at {device.address} is already devices"
                f"[{first}] ({devices[first].device_id!r})"
            )
    meters = [i for i, device in enumerate(devices) if device.kind is ResourceKind.METER]
    if not meters:
        raise ConfigError("devices: has no meter; exactly one device must have kind 'meter'")
    if len(meters) > 1:
        raise ConfigError(
            f"devices[{meters[1]}].kind: a second meter; devices[{meters[0]}] is the site's meter"
        )
