"""Settings of a simulated charger: configuration keys of 1.6, variables of 2.0.1."""

from typing import Final

from protocols.ocpp.states import VERSION_16
from protocols.templates.ocpp import OcppWire

FACTORY_SAMPLE_S: Final = 60
_SAMPLE_S: Final = {
    VERSION_16: "MeterValueSampleInterval",
    "2.0.1": "SampledDataCtrlr.TxUpdatedInterval",
}
_ALIGNED_S: Final = {VERSION_16: "ClockAlignedDataInterval", "2.0.1": "AlignedDataCtrlr.Interval"}
_LISTS: Final = {
    VERSION_16: ("MeterValuesSampledData", "MeterValuesAlignedData"),
    "2.0.1": ("SampledDataCtrlr.TxUpdatedMeasurands", "AlignedDataCtrlr.Measurands"),
}
_CONNECTORS: Final = "NumberOfConnectors"


class Settings:
    """What it can be asked for and told, as text by name.

    Parameters
    ----------
    wire : OcppWire
        What its family has; a fixed sample interval is read only.
    """

    def __init__(self, wire: OcppWire) -> None:
        version = wire.version
        self._sample_name, self._aligned_name = _SAMPLE_S[version], _ALIGNED_S[version]
        sample_s = wire.sample_s if wire.sample_fixed else FACTORY_SAMPLE_S
        self.values = {
            self._sample_name: str(sample_s),
            **dict.fromkeys(_LISTS[version], ",".join(wire.measurands)),
        }
        self.fixed = {self._sample_name} if wire.sample_fixed else set()
        if wire.aligned_s:
            self.values[self._aligned_name] = "0"
        if version == VERSION_16:
            self.values[_CONNECTORS] = str(wire.connectors)
            self.fixed.add(_CONNECTORS)

    @property
    def sample_s(self) -> float:
        """Pause between values of a transaction, s > 0."""
        return max(1.0, float(self.values[self._sample_name]))

    @property
    def aligned_s(self) -> float:
        """Pause between clock-aligned values, s; 0 for none."""
        return float(self.values.get(self._aligned_name, "0"))

    def put(self, name: str, value: str) -> bool:
        """Take a setting; False if there is none, it is fixed, or the value does not fit."""
        if name not in self.values or name in self.fixed:
            return False
        if name in {self._sample_name, self._aligned_name} and not value.isdecimal():
            return False
        self.values[name] = value
        return True
