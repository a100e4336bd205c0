"""What each SunSpec model of a simulated device says, from the machine's state. Pure.

Names and signs are the specification's: inverters inject +, meters count as their template
says. A point that is missing here is not implemented by the simulated device.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from firmware_sim.devices.machine import MachineState

Values = dict[str, float]
_PERCENT: Final = 100.0
_INVERTER_PHASES: Final = {0: 1, 1: 1, 2: 1, 3: 3}
_REST_W: Final = 1.0
_EMPTY, _FULL = 0.02, 0.98
_FIXED_AND_MAX_W: Final = 0b11


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """What does not change about a device.

    Attributes
    ----------
    discharge_w, charge_w : float
        Ratings, >= 0.
    capacity_wh : float
        0 without storage.
    meter_sign : float
        +1 where the meter counts export as positive, else -1.
    """

    discharge_w: float
    charge_w: float
    capacity_wh: float
    meter_sign: float

    @property
    def rating_w(self) -> float:
        """The greater of both directions."""
        return max(self.discharge_w, self.charge_w, _REST_W)


def static_values(model_id: int, plate: Plate) -> Values:
    """Ratings and settings of a model."""
    return _STATIC[model_id](plate) if model_id in _STATIC else {}


def measured_values(model_id: int, state: MachineState, plate: Plate) -> Values:
    """Measurements of a model."""
    return _MEASURED[model_id](state, plate) if model_id in _MEASURED else {}


def _nameplate(plate: Plate) -> Values:
    values = {"DERTyp": 82.0 if plate.capacity_wh else 4.0, "WRtg": plate.rating_w}
    values |= {"VARtg": plate.rating_w, "ARtg": plate.rating_w / 200.0}
    if plate.capacity_wh:
        values |= {"WHRtg": plate.capacity_wh, "MaxChaRte": plate.charge_w}
        values |= {"MaxDisChaRte": plate.discharge_w}
    return values


def _settings(plate: Plate) -> Values:
    return {"WMax": plate.rating_w, "VRef": 202.0, "VRefOfs": 0.0}


def _capacity(plate: Plate) -> Values:
    values = {"WMaxRtg": plate.rating_w, "WMax": plate.rating_w, "VNomRtg": 202.0, "VNom": 202.0}
    values |= {"VAMaxRtg": plate.rating_w, "CtrlModes": float(_FIXED_AND_MAX_W)}
    if plate.charge_w:
        values |= {"WChaRteMaxRtg": plate.charge_w, "WChaRteMax": plate.charge_w}
        values |= {"WDisChaRteMaxRtg": plate.discharge_w, "WDisChaRteMax": plate.discharge_w}
    return values


def _battery_plate(plate: Plate) -> Values:
    values = {"WHRtg": plate.capacity_wh, "WChaRteMax": plate.charge_w, "Typ": 4.0, "State": 3.0}
    values |= {"WDisChaRteMax": plate.discharge_w, "SoCMax": 100.0, "SoCMin": 0.0, "SoH": 100.0}
    return values | {"LocRemCtl": 0.0, "AlmRst": 0.0, "CtrlHb": 0.0, "Evt1": 0.0, "SetOp": 1.0}


def _storage_plate(plate: Plate) -> Values:
    return {"WChaMax": plate.charge_w, "MinRsvPct": 0.0, "ChaGriSet": 1.0}


_STATIC: Final[Mapping[int, Callable[[Plate], Values]]] = MappingProxyType(
    {
        120: _nameplate,
        121: _settings,
        124: _storage_plate,
        702: _capacity,
        703: lambda _plate: {"ES": 1.0, "ESVHi": 110.0, "ESVLo": 88.0},
        802: _battery_plate,
    }
)


def _inverter(state: MachineState, plate: Plate) -> Values:
    """Models 101 to 103 and 111 to 113."""
    del plate
    current_a = abs(state.power_w) / state.voltage_v
    values = {"A": current_a, "AphA": current_a, "PhVphA": state.voltage_v, "W": state.power_w}
    values |= {"Hz": state.frequency_hz, "VA": abs(state.power_w), "VAr": 0.0, "PF": _PERCENT}
    values |= {"WH": state.energy_wh_out, "TmpCab": 35.0, "Evt1": 0.0, "Evt2": 0.0}
    return values | {"St": 4.0 if state.running else 8.0}


def _meter(state: MachineState, plate: Plate) -> Values:
    """Models 201 to 204 and 211 to 214."""
    power_w = plate.meter_sign * state.power_w
    out_wh, in_wh = state.energy_wh_out, state.energy_wh_in
    values = {"W": power_w, "A": abs(power_w) / state.voltage_v, "PhV": state.voltage_v}
    values |= {"Hz": state.frequency_hz, "VA": abs(power_w), "VAR": 0.0, "PF": _PERCENT}
    return values | {"TotWhExp": out_wh, "TotWhImp": in_wh, "Evt": 0.0, "PhVphA": state.voltage_v}


def _der(state: MachineState, plate: Plate) -> Values:
    """Model 701."""
    del plate
    power_w, voltage_v = state.power_w, state.voltage_v
    values = {"W": power_w, "VA": abs(power_w), "Var": 0.0, "A": abs(power_w) / voltage_v}
    values |= {"LNV": voltage_v, "LLV": voltage_v, "Hz": state.frequency_hz, "PF": 1.0}
    values |= {"TotWhInj": state.energy_wh_out, "TotWhAbs": state.energy_wh_in}
    values |= {"ACType": 0.0, "St": 1.0, "InvSt": 3.0 if state.running else 7.0}
    return values | {"ConnSt": float(state.connected), "Alrm": 0.0, "DERMode": 1.0}


def _status(state: MachineState, plate: Plate) -> Values:
    """Model 122."""
    stored = 7.0 if plate.capacity_wh else 0.0
    return {"PVConn": 7.0, "StorConn": stored, "ECPConn": 1.0, "ActWh": state.energy_wh_out}


def _storage(state: MachineState, plate: Plate) -> Values:
    """Measured part of model 124."""
    del plate
    soc = state.soc or 0.0
    return {"ChaState": _PERCENT * soc, "ChaSt": _charge_status(state, soc)}


def _storage_capacity(state: MachineState, plate: Plate) -> Values:
    """Model 713."""
    if state.soc is None:
        return {"WHRtg": plate.capacity_wh, "Sta": 0.0}
    available_wh = state.soc * plate.capacity_wh
    values = {"WHRtg": plate.capacity_wh, "WHAvail": available_wh, "SoC": _PERCENT * state.soc}
    return values | {"SoH": _PERCENT, "Sta": 0.0}


def _dc(state: MachineState, plate: Plate) -> Values:
    """Model 714 with its one port."""
    del plate
    values = {"PrtAlrms": 0.0, "NPrt": 1.0, "DCW": state.power_w, "Prt.1.PrtTyp": 1.0}
    return values | {"Prt.1.ID": 1.0, "Prt.1.DCW": state.power_w, "Prt.1.DCSta": 1.0}


def _battery(state: MachineState, plate: Plate) -> Values:
    """Model 802, with a voltage and a heartbeat."""
    del plate
    soc = state.soc or 0.0
    values = {"SoC": _PERCENT * soc, "ChaSt": _charge_status(state, soc), "W": state.power_w}
    values |= {"V": 350.0 + 50.0 * soc, "A": state.power_w / (350.0 + 50.0 * soc)}
    return values | {"Hb": math.fmod(state.energy_wh_in + state.energy_wh_out, 60_000.0)}


def _charge_status(state: MachineState, soc: float) -> float:
    """Empty 2, discharging 3, charging 4, full 5, holding 6."""
    if state.power_w > _REST_W:
        return 3.0
    if state.power_w < -_REST_W:
        return 4.0
    if soc <= _EMPTY:
        return 2.0
    return 5.0 if soc >= _FULL else 6.0


_MEASURED: Final[Mapping[int, Callable[[MachineState, Plate], Values]]] = MappingProxyType(
    {
        **dict.fromkeys((101, 102, 103, 111, 112, 113), _inverter),
        **dict.fromkeys((201, 202, 203, 204, 211, 212, 213, 214), _meter),
        122: _status,
        124: _storage,
        701: _der,
        713: _storage_capacity,
        714: _dc,
        802: _battery,
    }
)

SCALES: Final[Mapping[str, int]] = MappingProxyType(
    {"Hz_SF": -2, "PF_SF": -2, "A_SF": -1, "V_SF": -1, "DCA_SF": -1, "DCV_SF": -1}
    | {"WMaxLimPct_SF": -1, "WSetPct_SF": -1, "InOutWRte_SF": -2, "ChaState_SF": -1}
    | {"Pct_SF": -1, "SoC_SF": -1, "SoH_SF": -1, "Tmp_SF": -1, "ARtg_SF": -1}
)
"""Scale factors where a template names none; any other is 0, or more if a value needs it."""

MEASURED_POINTS: Final = frozenset(
    {"W", "DCW", "A", "AphA", "Hz", "VA", "SoC", "ChaState", "WHAvail", "LNV", "LLV", "PhVphA"}
    | {"PhV", "V", "Prt.1.DCW"}
)
"""What the faults no-data and out-of-range take hold of."""
