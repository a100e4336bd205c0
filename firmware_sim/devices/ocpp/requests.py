"""What a simulated charger answers to the central system's calls, in both versions."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from firmware_sim.devices.ocpp.device import OcppDevice
from firmware_sim.devices.ocpp.profiles import stored_profile
from firmware_sim.faults import FaultKind
from protocols.ocpp.charging import UNIT_A, watts_per_unit
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import (
    Words,
    list_of,
    number_of,
    text_of,
    time_text,
    whole_of,
    words_of,
)
from protocols.vocabulary.errors import DeviceUnsupportedError

_ACCEPTED: Final = "Accepted"
_REJECTED: Final = "Rejected"


def served(device: OcppDevice, action: str, words: Words) -> dict[str, object]:
    """Answer a call of the central system.

    Raises
    ------
    DeviceUnsupportedError
        If it has no such function, or is out of its mind (fault EXCEPTION): the answer is a
        CALLERROR.
    """
    answer = _ANSWERS.get(action)
    if answer is None or device.faults.has(FaultKind.EXCEPTION):
        raise DeviceUnsupportedError(action)
    return answer(device, words)


def _set_profile(device: OcppDevice, words: Words) -> dict[str, object]:
    if device.faults.has(FaultKind.REFUSING):
        return {"status": _REJECTED}
    if device.faults.has(FaultKind.NO_EFFECT):
        return {"status": _ACCEPTED}
    version = device.wire.version
    key = "cs_charging_profiles" if version == VERSION_16 else "charging_profile"
    profile = stored_profile(version, words_of(words, key), device.supply, now_s=device.own_s)
    taken = profile is not None and device.profiles.put(profile)
    return {"status": _ACCEPTED if taken else _REJECTED}


def _clear_profile(device: OcppDevice, words: Words) -> dict[str, object]:
    if device.faults.has(FaultKind.REFUSING):
        raise DeviceUnsupportedError("ClearChargingProfile")
    if device.faults.has(FaultKind.NO_EFFECT):
        return {"status": _ACCEPTED}
    key = "id" if device.wire.version == VERSION_16 else "charging_profile_id"
    gone = device.profiles.clear(whole_of(words, key))
    return {"status": _ACCEPTED if gone else "Unknown"}


def _composite(device: OcppDevice, words: Words) -> dict[str, object]:
    if not device.wire.composite_schedule:
        return {"status": _REJECTED}
    is_16 = device.wire.version == VERSION_16
    place = whole_of(words, "connector_id" if is_16 else "evse_id") or 0
    duration = int(number_of(words, "duration") or 0)
    if place > device.wire.connectors or duration <= 0:
        return {"status": _REJECTED}
    unit = text_of(words, "charging_rate_unit") or device.supply.unit
    per_unit_w = watts_per_unit(device.supply) if unit == UNIT_A else 1.0
    if unit == UNIT_A and device.supply.unit != UNIT_A:
        per_unit_w = device.supply.voltage_v * device.supply.phases
    steps = device.profiles.composite(
        whole=place == 0, now_s=device.own_s, duration_s=float(duration)
    )
    periods = [
        {"start_period": int(after_s), "limit": round(power_w / per_unit_w, 1)}
        | ({} if device.supply.direct else {"number_phases": device.supply.phases})
        for after_s, power_w in steps
    ]
    start = time_text(datetime.fromtimestamp(device.own_s, tz=UTC))
    schedule: dict[str, object] = {
        "duration": duration,
        "charging_rate_unit": unit,
        "charging_schedule_period": periods,
    }
    if is_16:
        return {
            "status": _ACCEPTED,
            "connector_id": place,
            "schedule_start": start,
            "charging_schedule": schedule,
        }
    return {
        "status": _ACCEPTED,
        "schedule": {**schedule, "evse_id": place, "schedule_start": start},
    }


def _trigger(device: OcppDevice, words: Words) -> dict[str, object]:
    if not device.wire.trigger:
        raise DeviceUnsupportedError("TriggerMessage")
    connector = whole_of(words, "connector_id") or whole_of(words_of(words, "evse"), "id")
    said = device.say(text_of(words, "requested_message"), connector=connector)
    return {"status": _ACCEPTED if said else "NotImplemented"}


def _get_configuration(device: OcppDevice, words: Words) -> dict[str, object]:
    asked = words.get("key")
    names = [str(name) for name in asked] if isinstance(asked, list) else [*device.settings.values]
    known = [] if device.faults.has(FaultKind.WRONG_MAP) else [*device.settings.values]
    return {
        "configuration_key": [
            {
                "key": name,
                "readonly": name in device.settings.fixed,
                "value": device.settings.values[name],
            }
            for name in names
            if name in known
        ],
        "unknown_key": [name for name in names if name not in known],
    }


def _change_configuration(device: OcppDevice, words: Words) -> dict[str, object]:
    name = text_of(words, "key")
    if name not in device.settings.values:
        return {"status": "NotSupported"}
    if device.faults.has(FaultKind.NO_EFFECT):
        return {"status": _ACCEPTED}
    refuses = device.faults.has(FaultKind.REFUSING)
    taken = not refuses and device.settings.put(name, text_of(words, "value"))
    return {"status": _ACCEPTED if taken else _REJECTED}


def _get_variables(device: OcppDevice, words: Words) -> dict[str, object]:
    results = []
    for data in list_of(words, "get_variable_data"):
        name = _variable(data)
        known = name in device.settings.values and not device.faults.has(FaultKind.WRONG_MAP)
        result = {
            "attribute_status": _ACCEPTED if known else "UnknownVariable",
            "component": data["component"],
            "variable": data["variable"],
        }
        if known:
            result["attribute_value"] = device.settings.values[name]
        results.append(result)
    return {"get_variable_result": results}


def _set_variables(device: OcppDevice, words: Words) -> dict[str, object]:
    refuses = device.faults.has(FaultKind.REFUSING)
    pretends = device.faults.has(FaultKind.NO_EFFECT)
    results = []
    for data in list_of(words, "set_variable_data"):
        value = text_of(data, "attribute_value")
        taken = pretends or (not refuses and device.settings.put(_variable(data), value))
        results.append(
            {
                "attribute_status": _ACCEPTED if taken else _REJECTED,
                "component": data["component"],
                "variable": data["variable"],
            }
        )
    return {"set_variable_result": results}


def _variable(data: Words) -> str:
    component = text_of(words_of(data, "component"), "name")
    return f"{component}.{text_of(words_of(data, 'variable'), 'name')}"


_ANSWERS: Final[Mapping[str, Callable[[OcppDevice, Words], dict[str, object]]]] = {
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite,
    "TriggerMessage": _trigger,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "GetVariables": _get_variables,
    "SetVariables": _set_variables,
}
ACTIONS_16: Final = (
    "SetChargingProfile",
    "ClearChargingProfile",
    "GetCompositeSchedule",
    "TriggerMessage",
    "GetConfiguration",
    "ChangeConfiguration",
)
ACTIONS_201: Final = (
    "SetChargingProfile",
    "ClearChargingProfile",
    "GetCompositeSchedule",
    "TriggerMessage",
    "GetVariables",
    "SetVariables",
)
