"""A storage battery (027D01) on the Python package uecho, as it comes.

usage: uecho_battery.py plain|refuses. Its property maps of 16 and more lose every EPC from C0 on
and always say 16, a property without data is answered as done with nothing in it, and a refused
SetC is answered as a refused SetI: all that is the package's own, nothing is bent here.
Prints a JSON line when it is ready and for every property it is told to set.
"""

import json
import sys
import threading

from uecho import Device, LocalNode

KIND = sys.argv[1]
CHARGING, DISCHARGING, STANDBY, AUTO = 0x42, 0x43, 0x44, 0x46


def watts(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


VALUES = {
    0x80: b"\x30",
    0x88: b"\x42",
    0xA0: watts(10_000),
    0xA1: watts(8_100),
    0xAA: watts(0),
    0xAB: watts(0),
    0xC1: b"\x01",
    0xC2: b"\x01",
    0xC8: watts(0) + watts(3_000),
    0xC9: watts(0) + watts(2_500),
    0xCF: bytes((STANDBY,)),
    0xD3: watts(0),
    0xDA: bytes((AUTO,)),
    0xEB: watts(0),
    0xEC: watts(0),
}


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Battery(Device):
    """It works at what it was told, at once."""

    def __init__(self) -> None:
        super().__init__(0x027D01)
        for epc, data in VALUES.items():
            assert self.set_property_data(epc, data), f"uecho knows no {epc:02X}"
        self.set_request_handler(self)

    def property_read_requested(self, prop: object) -> bool:
        mode = self.get_property_data(0xDA)[0]
        power = {CHARGING: self._number(0xEB), DISCHARGING: -self._number(0xEC)}.get(mode, 0)
        self.set_property_data(0xD3, watts(power))
        self.set_property_data(0xCF, bytes((STANDBY if mode == AUTO else mode,)))
        return super().property_read_requested(prop)

    def property_write_requested(self, prop: object, data: bytes) -> bool:
        taken = super().property_write_requested(prop, data)
        taken = taken and not (KIND == "refuses" and prop.code == 0xDA)
        say("set", epc=f"{prop.code:02X}", data=bytes(data).hex(), taken=taken)
        return taken

    def _number(self, epc: int) -> int:
        return int.from_bytes(self.get_property_data(epc), "big")


node = LocalNode()
battery = Battery()
assert node.add_object(battery)
assert node.start(), "no address but 127.0.0.1, or port 3610 is taken"
say(
    "ready",
    get_map=bytes(battery.get_property_data(0x9F)).hex(),
    set_map=bytes(battery.get_property_data(0x9E)).hex(),
)
threading.Event().wait()
