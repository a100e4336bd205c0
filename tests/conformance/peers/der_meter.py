"""The meter of a site with one battery, as a simulated SunSpec meter in a process of its own.

``der_meter.py ADDRESS PORT HOUSE_W BATTERY_FILE``: it shows the house and whatever power the file
of the battery (py20305_battery.py) tells.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from firmware_sim.devices.contract import Span
from firmware_sim.devices.rooms import simulated
from firmware_sim.servers.port import Hosted, World
from firmware_sim.servers.registry import listeners
from protocols.templates.catalogue import template_of

TEMPLATE = "sunspec-meter-203"
STEP_S = 0.1


def battery_w(place: Path) -> float:
    """Power of the battery, W toward the grid; 0 before it is there."""
    try:
        return float(json.loads(place.read_text())["power_w"])
    except OSError:
        return 0.0


async def main(words: list[str]) -> None:
    """Run until it is ended."""
    address, port, house_w, place = words[0], int(words[1]), float(words[2]), Path(words[3])
    now_s = time.time()
    template = template_of(TEMPLATE)
    device = simulated(template, "meter", seed=1, soc_start=0.5, wall_s=now_s)
    hosted = Hosted(device=device, template=template, address=address, port=port)
    world = World(now_s=time.time, catch_up=lambda _name: None)
    (listening,) = listeners([("sunspec", hosted)], world)
    await listening.start()
    while True:
        await asyncio.sleep(STEP_S)
        start_s, now_s = now_s, time.time()
        others_w = house_w + battery_w(place)
        device.advance(Span(start_s=start_s, end_s=now_s, house_w=house_w, others_w=others_w))
        await listening.tick(now_s)


asyncio.run(main(sys.argv[1:]))
