"""Checks ``[[devices]]``: what each is, where, and that no two are the same.

Called by the loader. A template says what a device is and how it is spoken with; only an
ECHONET device, which states its class itself, may do without one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from edge_agent.config.addresses import bacnet_node, modbus_unit, node_address
from edge_agent.config.schema import DeviceSection
from edge_agent.config.site import DeviceConfig
from protocols.templates.catalogue import template_of
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.template import Template
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import checked_name
from protocols.vocabulary.resource import ResourceKind

_Checked = TypeVar("_Checked")

ECHONET_LITE: Final = "echonet-lite"
EOJ_CLASSES: Final[Mapping[ResourceKind, tuple[str, ...]]] = {
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
_INSTANCE_MAX: Final = 4_194_302
_CHARGE_POINT_CHARACTERS: Final = 48
_LFDI_DIGITS: Final = 40
_FINGERPRINT_BYTES, _HEX_BYTE = 10, 2
CALLERS: Final[Mapping[str, str]] = {
    "ocpp": "a charger",
    "ieee2030.5": "a client",
    "openadr": "a VEN",
}
"""Protocols whose devices call us, and what such a device is."""
_SUNSPEC_PARTS: Final = 3
_MUST_BE_TOLD: Final[Mapping[str, str]] = {
    "ocpp": "the charge point id that the charger calls with",
    "ieee2030.5": "the LFDI of the certificate that the client calls with",
    "openadr": "the venID of the VEN, or the fingerprint of its certificate",
}
_OWN_KEYS: Final = {"id", "template", "kind", "protocol", "address", "eoj", "identity"}


def at(key: str, check: Callable[[], _Checked]) -> _Checked:
    """Run a check; its refusal names the key."""
    try:
        return check()
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def checked_devices(sections: Sequence[DeviceSection]) -> tuple[DeviceConfig, ...]:
    """Check every device, then all together.

    Raises
    ------
    ConfigError
        ``devices[<index>].<key>: <cause>`` for the first thing that is wrong.
    """
    devices = tuple(_device(f"devices[{i}]", section) for i, section in enumerate(sections))
    _check_together(devices)
    return devices


def _device(where: str, section: DeviceSection) -> DeviceConfig:
    if section.soc_min >= section.soc_max:
        raise ConfigError(
            f"{where}.soc_min: {section.soc_min:g} must be below soc_max {section.soc_max:g}"
        )
    template = None
    if section.template is not None:
        name = section.template
        template = at(f"{where}.template", lambda: template_of(name))
    kind = ResourceKind(_told(where, "kind", written=section.kind, template=template))
    protocol = _told(where, "protocol", written=section.protocol, template=template)
    if template is None and protocol != ECHONET_LITE:
        raise ConfigError(
            f"{where}.template: is missing; a device on {protocol} needs one, "
            "see `edge-agent devices templates`"
        )
    return DeviceConfig(
        device_id=at(f"{where}.id", lambda: checked_name(section.id, "device id")),
        kind=kind,
        protocol=protocol,
        address=at(f"{where}.address", lambda: _address(protocol, section.address)),
        eoj=_eoj(where, section.eoj, kind=kind, protocol=protocol, template=template),
        template_id=section.template,
        identity=at(f"{where}.identity", lambda: _identity(protocol, section.identity)),
        **section.model_dump(exclude=_OWN_KEYS),
    )


def _told(where: str, key: str, *, written: str | None, template: Template | None) -> str:
    """Kind or protocol: the template's, which a person may repeat but not contradict."""
    if template is None:
        if written is None:
            raise ConfigError(f"{where}.{key}: is missing; write it, or a template")
        return written
    told = template.kind.value if key == "kind" else template.protocol
    if written not in {None, told}:
        raise ConfigError(
            f"{where}.{key}: {written!r} contradicts template {template.template_id!r}, "
            f"which is {told!r}"
        )
    return told


def _address(protocol: str, text: str) -> str:
    if protocol in CALLERS:
        if text:
            raise ConfigError(f"{text!r}: {CALLERS[protocol]} calls us; leave it out")
        return ""
    if not text:
        raise ConfigError("is missing")
    if protocol == "bacnet":
        return str(bacnet_node(text))
    if protocol in {"sunspec", "modbus"}:
        return str(modbus_unit(text))
    return node_address(text)


def _eoj(
    where: str, text: str | None, *, kind: ResourceKind, protocol: str, template: Template | None
) -> str:
    key = f"{where}.eoj"
    if protocol != ECHONET_LITE:
        if text is not None:
            raise ConfigError(f"{key}: only ECHONET devices have an object; leave it out")
        return ""
    if template is not None:
        assert isinstance(template.wire, EchonetWire), "the protocol is the wire's"
        class_code = f"{template.wire.class_code:04X}"
        text = text or f"{class_code}01"
        return _object(
            key, text, classes=(class_code,), because=f"template {template.template_id!r}"
        )
    if text is None:
        raise ConfigError(f"{key}: is missing; write the object, like '027D01', or a template")
    return _object(key, text, classes=EOJ_CLASSES.get(kind, ()), because=f"kind {kind.value!r}")


def _object(key: str, text: str, *, classes: tuple[str, ...], because: str) -> str:
    digits = text.upper()
    if len(digits) != _EOJ_DIGITS or not _is_hexadecimal(digits) or digits.endswith("00"):
        raise ConfigError(
            f"{key}: {text!r} is not an ECHONET object; six hexadecimal digits: class group, "
            "class, instance 01..7F, like '027D01'"
        )
    if classes and digits[:4] not in classes:
        raise ConfigError(
            f"{key}: {text!r} is class {digits[:4]}, but {because} is class {' or '.join(classes)}"
        )
    return digits


def _identity(protocol: str, text: str | None) -> str | None:
    if text is None:
        if protocol in CALLERS:
            raise ConfigError(f"is missing; {_MUST_BE_TOLD[protocol]}")
        return None
    checks: Mapping[str, Callable[[str], bool]] = {
        ECHONET_LITE: _is_node_id,
        "sunspec": lambda written: written.count("/") >= _SUNSPEC_PARTS - 1,
        "bacnet": _is_instance,
        "ocpp": _is_charge_point,
        "ieee2030.5": _is_lfdi,
        "openadr": _is_ven,
    }
    wanted = {
        ECHONET_LITE: "an identification number (EPC 83): 34 hexadecimal digits beginning with FE",
        "sunspec": "maker/model/serial as in model 1 (Mn/Md/SN)",
        "bacnet": f"a device instance, 0..{_INSTANCE_MAX}",
        "ocpp": f"a charge point id of 1..{_CHARGE_POINT_CHARACTERS} letters, digits, . _ -",
        "ieee2030.5": f"an LFDI: {_LFDI_DIGITS} hexadecimal digits",
        "openadr": "a venID of letters, digits, . _ -, or a fingerprint like AB:CD:.. (ten bytes)",
    }
    if not text.strip() or (protocol in checks and not checks[protocol](text)):
        raise ConfigError(f"{text!r} is not {wanted.get(protocol, 'a serial number')}")
    return text.upper() if protocol in {ECHONET_LITE, "ieee2030.5"} else text


def _is_node_id(text: str) -> bool:
    digits = text.upper()
    return len(digits) == _NODE_ID_DIGITS and _is_hexadecimal(digits) and digits[:2] == "FE"


def _is_instance(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= _INSTANCE_MAX


def _is_charge_point(text: str) -> bool:
    plain = text.isascii() and all(sign.isalnum() or sign in "._-" for sign in text)
    return plain and len(text) <= _CHARGE_POINT_CHARACTERS


def _is_lfdi(text: str) -> bool:
    return len(text) == _LFDI_DIGITS and _is_hexadecimal(text.upper())


def _is_ven(text: str) -> bool:
    return _is_charge_point(text) or is_fingerprint(text)


def is_fingerprint(text: str) -> bool:
    """Whether a VEN is named by its certificate."""
    parts = text.split(":")
    is_hex = all(len(part) == _HEX_BYTE and _is_hexadecimal(part) for part in parts)
    return len(parts) == _FINGERPRINT_BYTES and is_hex


def _is_hexadecimal(digits: str) -> bool:
    return all(digit in "0123456789ABCDEF" for digit in digits)


def _unit_key(device: DeviceConfig) -> tuple[str, str, str]:
    """Say what no two devices may share: the key, the place, and which one there."""
    if device.protocol == ECHONET_LITE:
        return "eoj", device.address, device.eoj
    if device.protocol in CALLERS:
        return "identity", "", device.identity or ""
    if device.protocol == "bacnet":
        return "address", device.address, device.identity or ""
    return "address", device.address, ""


def _check_together(devices: tuple[DeviceConfig, ...]) -> None:
    ids: dict[str, int] = {}
    units: dict[tuple[str, str], int] = {}
    for index, device in enumerate(devices):
        first = ids.setdefault(device.device_id, index)
        if first != index:
            raise ConfigError(
                f"devices[{index}].id: {device.device_id!r} is already the id of devices[{first}]"
            )
        key, place, unit = _unit_key(device)
        first = units.setdefault((place, unit), index)
        if first != index:
            what = " at ".join(part for part in (unit, place) if part)
            raise ConfigError(
                f"devices[{index}].{key}: {what} is already devices[{first}] "
                f"({devices[first].device_id!r})"
            )
    _check_parents(devices, ids)
    meters = [i for i, device in enumerate(devices) if device.kind is ResourceKind.METER]
    if not meters:
        raise ConfigError("devices: has no meter; exactly one device must have kind 'meter'")
    if len(meters) > 1:
        raise ConfigError(
            f"devices[{meters[1]}].kind: a second meter; devices[{meters[0]}] is the site's meter"
        )


def _check_parents(devices: tuple[DeviceConfig, ...], ids: Mapping[str, int]) -> None:
    """Refuse a parent that is not there, measures the site, or is behind its own child."""
    for index, device in enumerate(devices):
        above, parent = {device.device_id}, device.parent
        while parent is not None:
            key = f"devices[{index}].parent: {parent!r}"
            if parent not in ids:
                raise ConfigError(f"{key} is no device of this site")
            if parent in above:
                raise ConfigError(f"{key} is behind {device.device_id!r} itself")
            above.add(parent)
            of = devices[ids[parent]]
            if of.kind is ResourceKind.METER:
                raise ConfigError(f"{key} is the site's meter; everything is behind it")
            parent = of.parent
