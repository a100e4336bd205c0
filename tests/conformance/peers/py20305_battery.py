"""A storage battery behind py20305: it follows its controls and tells its power.

Runs in the peers' own environment; what really happens goes to a file, one JSON object.
"""

import json
import time
from pathlib import Path
from typing import Any

from py20305.connectors.base import BaseConnector

FULL_W = 5000
CAPACITY_WH = 10_000.0
CHARGE_AND_DISCHARGE = 1 << 7 | 1 << 22
"""opModFixedW and opModTargetW of modesSupported."""


class Battery(BaseConnector):
    """Holds the power it was told last, at once."""

    connector_name = "Battery"

    def __init__(self, place: str) -> None:
        self._place = Path(place)
        self._told: list[object] = []
        self._power_w = 0.0
        self._energy_wh = CAPACITY_WH / 2.0
        self._at_s = time.time()
        self._write()

    def _write(self) -> None:
        draft = self._place.with_suffix(".new")
        state = {"power_w": self._power_w, "told": self._told, "soc": self._soc()}
        draft.write_text(json.dumps(state))
        draft.replace(self._place)

    def _soc(self) -> float:
        return self._energy_wh / CAPACITY_WH

    def _pass_time(self) -> None:
        now_s = time.time()
        self._energy_wh -= self._power_w * (now_s - self._at_s) / 3600.0
        self._at_s = now_s

    def _set(self, method: str, params: dict[str, Any]) -> None:
        self._pass_time()
        self._told.append([method, params])
        if method == "target_w":
            self._power_w = float(params["watts"]) if params.get("watts") is not None else 0.0
        self._write()

    async def update_target_w(self, params: dict[str, Any]) -> None:
        self._set("target_w", params)

    async def update_fixed_w(self, params: dict[str, Any]) -> None:
        self._set("fixed_w", params)

    async def fetch_monitoring(self) -> dict[str, Any]:
        self._pass_time()
        return {"W": round(self._power_w), "V": 202, "Hz": 50.0}

    async def fetch_nameplate(self) -> dict[str, Any]:
        return {
            "WMaxRtg": FULL_W,
            "VAMaxRtg": FULL_W,
            "WChaRteMaxRtg": FULL_W,
            "WDisChaRteMaxRtg": FULL_W,
            "WhMaxRtg": CAPACITY_WH,
            "VNomRtg": 202,
            "NorOpCatRtg": 1,
            "AbnOpCatRtg": 2,
            "CtrlModes": CHARGE_AND_DISCHARGE,
        }

    async def fetch_configuration(self) -> dict[str, Any]:
        return {
            "WMax": FULL_W,
            "WChaRteMax": FULL_W,
            "WDisChaRteMax": FULL_W,
            "CtrlModes": CHARGE_AND_DISCHARGE,
        }

    async def fetch_availability(self) -> dict[str, Any]:
        return {"readingTime": int(time.time()), "availabilityDuration": 3600}

    async def fetch_status(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "alarmStatus": 0,
            "connectStatus": {"dateTime": now, "value": 7},
            "inverterStatus": {"dateTime": now, "value": 4},
            "operationalModeStatus": {"dateTime": now, "value": 2},
            "readingTime": now,
            "stateOfChargeStatus": {"dateTime": now, "value": round(10_000 * self._soc())},
        }
