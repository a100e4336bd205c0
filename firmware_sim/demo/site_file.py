"""The configuration file of a site's agent, written from the scenario's site. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ZONE: Final = "tokyo"
KEEPALIVE_S: Final = 5
IMPORT_JPY_PER_KWH: Final = 31.0
EXPORT_JPY_PER_KWH: Final = 8.5
DEGRADATION_JPY_PER_KWH: Final = 6.0
HOUSE_W: Final = 6000.0
"""What the contract leaves for the house beside its chargers."""
_STORAGE: Final = frozenset({"battery", "ev-v2h"})
_CHARGED: Final = (*_STORAGE, "ev-charger")

Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLink:
    """How an agent reaches the world.

    Attributes
    ----------
    broker : str
        ``mqtt://host:port``, in the demo the site's relay.
    echonet_port : int
        UDP port of every node.
    identity : str or None
        Folder of keys and certificate beside the file; None for a plain link.
    """

    broker: str
    echonet_port: int
    identity: str | None = None


def site_toml(site: Plain, link: SiteLink) -> str:
    """Write ``site.toml``.

    Parameters
    ----------
    site : mapping
        One of the scenario's sites as plain data.
    link : SiteLink
        Broker and port.

    Returns
    -------
    str
        TOML for ``edge-agent run --config``; its data lies in ``data`` beside it.
    """
    devices: Sequence[Plain] = site["devices"]
    lines = [
        f"site_id = {_text(site['site_id'])}",
        f"zone = {_text(ZONE)}",
        'data_dir = "data"',
        *_section("link", brokers=[link.broker], keepalive_s=KEEPALIVE_S),
        *_section("limits", **_limits(devices)),
        *_section(
            "tariff",
            import_jpy_per_kwh=IMPORT_JPY_PER_KWH,
            export_jpy_per_kwh=EXPORT_JPY_PER_KWH,
        ),
        *_section("location", **site["location"]),
        *_section("pv", peak_w=_sum(devices, "power_w_rated", {"pv"})),
        *_section("echonet", address=site["gateway"], port=link.echonet_port, group=site["group"]),
    ]
    if link.identity is not None:
        lines += _section("identity", folder=link.identity)
    for device in devices:
        lines += _section("[devices]", **_device(device))
    return "\n".join(lines) + "\n"


def _limits(devices: Sequence[Plain]) -> dict[str, float]:
    """Contract and reverse flow as a site of this equipment would have them, W."""
    charge_w = _sum(devices, "power_w_charge_max", _CHARGED)
    give_w = _sum(devices, "power_w_discharge_max", _STORAGE)
    made_w = _sum(devices, "power_w_rated", {"pv", "fuel-cell"})
    return {"contract_import_w": charge_w + HOUSE_W, "export_limit_w": give_w + made_w}


def _device(device: Plain) -> dict[str, object]:
    """One device; what the driver can find out by itself is left to it."""
    kind = device["kind"]
    made: dict[str, object] = {
        "id": device["id"],
        "kind": kind,
        "protocol": "echonet-lite",
        "address": device["address"],
        "eoj": device.get("eoj", EOJ_OF_KIND[kind]),
    }
    if kind in _CHARGED:
        made["soc_min"], made["soc_max"] = 0.1, 0.95
        made["degradation_jpy_per_kwh"] = DEGRADATION_JPY_PER_KWH
        made["power_w_min"] = -float(device["power_w_charge_max"])
    if kind in _STORAGE:
        made["power_w_max"] = float(device["power_w_discharge_max"])
    if "ramp_w_per_s" in device and kind in _STORAGE:
        made["ramp_w_per_s"] = float(device["ramp_w_per_s"])
    return made


EOJ_OF_KIND: Final[Mapping[str, str]] = {
    "battery": "027D01",
    "pv": "027901",
    "ev-charger": "02A101",
    "ev-v2h": "027E01",
    "fuel-cell": "027C01",
    "heat-pump": "026B01",
    "meter": "028801",
}


def _sum(
    devices: Sequence[Plain], key: str, kinds: Sequence[str] | frozenset[str] | set[str]
) -> float:
    return float(sum(device.get(key, 0.0) for device in devices if device["kind"] in kinds))


def _section(name: str, **values: object) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    if isinstance(value, str):
        return _text(value)
    assert isinstance(value, int | float), "a site file holds texts, numbers and lists"
    return repr(value)


def _text(text: str) -> str:
    """JSON's quoted strings are TOML's basic strings."""
    return json.dumps(text, ensure_ascii=False)
