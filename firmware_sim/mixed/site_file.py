"""The configuration of a mixed site's agent, written from its scenario. Pure."""

import json
from collections.abc import Sequence
from typing import Final

from firmware_sim.scenario.mixed import NETS, PORTS
from firmware_sim.scenario.schema import SiteModel, Templated
from protocols.templates.catalogue import template_of
from protocols.templates.modbus import ModbusWire
from protocols.templates.sunspec import SunspecWire
from protocols.templates.template import Template

NO_BROKER: Final = "mqtt://127.0.0.1:9"
"""The discard port: nobody listens, and the agent works by its local economy."""
BACNET_GATEWAY_PORT: Final = 47809
"""Not the devices': bacpypes3 takes a 127.x address with its own port for itself."""
IMPORT_JPY_PER_KWH: Final = 31.0
EXPORT_JPY_PER_KWH: Final = 8.5
EXPORT_LIMIT_W: Final = 3000.0
"""Less than the site's PV gives, so that limits are really set."""
DEGRADATION_JPY_PER_KWH: Final = 6.0
COMFORT_JPY_PER_KWH: Final = 20.0
"""Less than a kWh out of a battery and more than one sold, so that loads are really moved."""
_STORES: Final = frozenset({"battery", "ev-v2h"})
CONTRACT_SHARE: Final = 0.03
"""Part of what loads and chargers could take together that the contract allows; less than they
take, so that limits are really set."""
HOUSE_W: Final = 6_000.0
"""What the contract has for the household beside them."""


def site_toml(site: SiteModel) -> str:
    """Write ``site.toml``.

    Parameters
    ----------
    site : SiteModel
        Of :func:`firmware_sim.scenario.mixed.make_site`.

    Returns
    -------
    str
        TOML for ``edge-agent run --config``; its data lies in ``data`` beside it.
    """
    devices = [device for device in site.devices if isinstance(device, Templated)]
    templates = [template_of(device.template) for device in devices]
    taken_w = -sum(t.nameplate.power_w_min for t in templates if t.kind.value not in _STORES)
    peak_w = sum(t.nameplate.power_w_max for t in templates if t.kind.value == "pv")
    assert site.gateway is not None, "a mixed site has its gateway's address"
    nets = site.gateway.rsplit(".", 2)[0]
    protocols = {device.protocol for device in devices}
    lines = [
        f"site_id = {_value(site.site_id)}",
        'zone = "tokyo"',
        'data_dir = "data"',
        *_section("link", brokers=[NO_BROKER], keepalive_s=5),
        *_section(
            "limits",
            contract_import_w=CONTRACT_SHARE * taken_w + HOUSE_W,
            export_limit_w=EXPORT_LIMIT_W,
        ),
        *_section(
            "tariff",
            import_jpy_per_kwh=IMPORT_JPY_PER_KWH,
            export_jpy_per_kwh=EXPORT_JPY_PER_KWH,
        ),
        *_section("location", latitude=site.location.latitude, longitude=site.location.longitude),
        *_section("pv", peak_w=peak_w),
        *_section("echonet", address=site.gateway, port=PORTS["echonet"], group=site.group),
    ]
    if "bacnet" in protocols:
        lines += _section(
            "bacnet", address=f"{nets}.{NETS['bacnet']}.1/8", port=BACNET_GATEWAY_PORT
        )
    if "ocpp" in protocols:
        lines += _section("ocpp", address=f"{nets}.{NETS['ocpp']}.1", port=PORTS["ocpp"])
    for device, template in zip(devices, templates, strict=True):
        lines += _device(device, template)
    return "\n".join(lines) + "\n"


def _device(device: Templated, template: Template) -> list[str]:
    """One device; what the driver can find out by itself is left to it."""
    values: dict[str, object] = {"id": device.id, "template": device.template}
    wire = template.wire
    if isinstance(wire, SunspecWire | ModbusWire):
        unit = wire.unit_id if device.unit is None else device.unit
        values["address"] = f"{device.address}:{device.port}/{unit}"
    elif device.protocol == "bacnet":
        values |= {"address": f"{device.address}:{device.port}", "identity": str(device.unit)}
    elif device.protocol == "ocpp":
        values["identity"] = device.id
    else:
        values["address"] = device.address
    if template.kind.value in _STORES:
        values["degradation_jpy_per_kwh"] = DEGRADATION_JPY_PER_KWH
    elif template.nameplate.power_w_min < 0.0:
        values["comfort_jpy_per_kwh"] = COMFORT_JPY_PER_KWH
    return _section("[devices]", **values)


def _section(name: str, **values: object) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]


def _value(value: object) -> str:
    """JSON's texts, numbers and lists are TOML's."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value)
