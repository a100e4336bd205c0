"""Runs simulated BACnet devices in a process of their own; prints JSON lines.

``bacnet_site.py PORT ADDRESS=TEMPLATE=INSTANCE ...`` prints ``{"event": "listening"}`` and then,
each 0.2 s, the truth of every device: ``{"event": "truth", "powers_w": {template: W}}``.
"""

import asyncio
import json
import sys
import time

from firmware_sim.devices.contract import Span
from firmware_sim.devices.rooms import simulated
from firmware_sim.servers.port import Hosted, World
from firmware_sim.servers.registry import listeners
from protocols.templates.catalogue import template_of

STEP_S = 0.05
HOUSE_W = -2500.0


def say(**record: object) -> None:
    """Print a record."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


async def main(port: int, places: list[str]) -> None:
    """Run until the pipe breaks."""
    began_s = time.time()
    hosted = []
    for place in places:
        address, template_id, instance = place.split("=")
        template = template_of(template_id)
        device = simulated(template, template_id, seed=3, soc_start=0.5, wall_s=began_s)
        hosted.append(
            Hosted(device=device, template=template, address=address, port=port, unit=int(instance))
        )
    world = World(now_s=time.time, catch_up=lambda _name: None)
    listening = listeners([("bacnet", one) for one in hosted], world)
    for listener in listening:
        await listener.start()
    say(event="listening")
    now_s, told_s = began_s, 0.0
    while True:
        await asyncio.sleep(STEP_S)
        start_s, now_s = now_s, time.time()
        for one in hosted:
            drift = one.device.faults.drift
            one.device.advance(
                Span(start_s=start_s, end_s=now_s, house_w=HOUSE_W, others_w=HOUSE_W, drift=drift)
            )
        for listener in listening:
            await listener.tick(now_s)
        if now_s - told_s >= 0.2:
            told_s = now_s
            say(
                event="truth",
                powers_w={one.device.name: one.device.reading.power_w for one in hosted},
            )


asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
