"""Settings of a charger that decide what it measures, and how they are read and written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import Words, list_of, text_of, words_of

_SAMPLE_S, _SAMPLED, _ALIGNED_S, _ALIGNED = range(4)
_NAMES_16: Final[Mapping[int, str]] = MappingProxyType(
    {
        _SAMPLE_S: "MeterValueSampleInterval",
        _SAMPLED: "MeterValuesSampledData",
        _ALIGNED_S: "ClockAlignedDataInterval",
        _ALIGNED: "MeterValuesAlignedData",
    }
)
_NAMES_201: Final[Mapping[int, str]] = MappingProxyType(
    {
        _SAMPLE_S: "SampledDataCtrlr.TxUpdatedInterval",
        _SAMPLED: "SampledDataCtrlr.TxUpdatedMeasurands",
        _ALIGNED_S: "AlignedDataCtrlr.Interval",
        _ALIGNED: "AlignedDataCtrlr.Measurands",
    }
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting and the value it should have.

    Attributes
    ----------
    name : str
        Key of 1.6; component and variable of 2.0.1 with a dot between.
    value : str
        As the charger writes it.
    """

    name: str
    value: str


def settings_of(
    version: str,
    *,
    measurands: Sequence[str],
    sample_s: int | None,
    aligned_s: int | None,
) -> tuple[Setting, ...]:
    """List what a charger should be set to.

    Parameters
    ----------
    version : str
        ``"1.6"`` or ``"2.0.1"``.
    measurands : sequence of str
        What it measures.
    sample_s, aligned_s : int or None
        Pauses between values of a transaction and between clock-aligned ones; None: as it has.
    """
    names = _NAMES_16 if version == VERSION_16 else _NAMES_201
    listed = ",".join(measurands)
    wanted: list[tuple[int, str]] = []
    if sample_s is not None:
        wanted += [(_SAMPLE_S, str(sample_s)), (_SAMPLED, listed)]
    if aligned_s is not None:
        wanted += [(_ALIGNED_S, str(aligned_s)), (_ALIGNED, listed)]
    return tuple(Setting(names[what], value) for what, value in wanted)


def read_words(version: str, settings: Sequence[Setting]) -> tuple[str, dict[str, object]]:
    """Make action and words that read settings."""
    if version == VERSION_16:
        return "GetConfiguration", {"key": [one.name for one in settings]}
    return "GetVariables", {"get_variable_data": [_variable(one) for one in settings]}


def told_values(version: str, settings: Sequence[Setting], answer: Words) -> dict[Setting, str]:
    """Values that a charger told of settings that it lets be written."""
    told: dict[str, str] = {}
    if version == VERSION_16:
        for entry in list_of(answer, "configuration_key"):
            if entry.get("readonly") is not True:
                told[text_of(entry, "key")] = text_of(entry, "value")
    else:
        for entry in list_of(answer, "get_variable_result"):
            if text_of(entry, "attribute_status") == "Accepted":
                told[_name(entry)] = text_of(entry, "attribute_value")
    return {one: told[one.name] for one in settings if one.name in told}


def write_words(version: str, setting: Setting) -> tuple[str, dict[str, object]]:
    """Make action and words that write one setting."""
    if version == VERSION_16:
        return "ChangeConfiguration", {"key": setting.name, "value": setting.value}
    data = {**_variable(setting), "attribute_value": setting.value}
    return "SetVariables", {"set_variable_data": [data]}


def taken(version: str, answer: Words) -> bool:
    """Whether a charger took a setting."""
    if version == VERSION_16:
        return text_of(answer, "status") == "Accepted"
    results = list_of(answer, "set_variable_result")
    return bool(results) and all(text_of(r, "attribute_status") == "Accepted" for r in results)


def _variable(setting: Setting) -> dict[str, object]:
    component, _, variable = setting.name.partition(".")
    return {"component": {"name": component}, "variable": {"name": variable}}


def _name(entry: Words) -> str:
    component = text_of(words_of(entry, "component"), "name")
    return f"{component}.{text_of(words_of(entry, 'variable'), 'name')}"
