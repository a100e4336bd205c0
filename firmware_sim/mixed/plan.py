"""What is to happen in a run: which devices are killed when, and what each cell holds. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_sim.physics.noise import uniform
from firmware_sim.scenario.mixed import NAMES
from firmware_sim.scenario.schema import Templated
from protocols.vocabulary.errors import ConfigError

KILLS_FROM, KILLS_TO = 0.15, 0.75
"""Part of the run in which devices are killed, so that each can be seen to come back."""
AGENT_AT: Final = 0.45
PAUSE_SHARE: Final = 0.05
PAUSE_S_MIN, PAUSE_S_MAX = 6.0, 30.0
_COUNT: Final = re.compile(r"(\d{1,4})([a-z]+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A process that is killed (-9) at a time of the run and started again later, s."""

    name: str
    at_s: float
    back_s: float


def parse_counts(text: str) -> dict[str, int]:
    """Read ``--devices``, such as ``"20echonet,4ocpp"``.

    Raises
    ------
    ConfigError
        If it is not a list of counts with protocols, each once.
    """
    counts: dict[str, int] = {}
    for part in text.split(","):
        found = _COUNT.match(part.strip())
        if found is None or found[2] not in NAMES or found[2] in counts:
            raise ConfigError(
                f"--devices: {part.strip()!r}; write a number and one of "
                f"{', '.join(NAMES)}, each once, like 20echonet,4ocpp"
            )
        counts[found[2]] = int(found[1])
    return counts


def victims_of(devices: Sequence[Templated], kills: int, seed: int) -> list[str]:
    """Ids of the devices that are killed, from every protocol in turn."""
    groups: dict[str, list[str]] = {}
    for device in devices:
        groups.setdefault(device.protocol, []).append(device.id)
    for number, members in enumerate(groups.values()):
        members.sort(key=lambda name: uniform(seed, number, *name.encode()))
    chosen: list[str] = []
    while len(chosen) < kills and any(groups.values()):
        for members in groups.values():
            if members and len(chosen) < kills:
                chosen.append(members.pop())
    return chosen


def kills_of(victims: Sequence[str], agent: str, *, duration_s: float, seed: int) -> list[Kill]:
    """Say when each victim and the agent die, in the order of time.

    Parameters
    ----------
    victims : sequence of str
        Names of the victims' processes.
    agent : str
        Name of the agent's; killed once, about the middle.
    duration_s : float
        Length of the run, s.
    seed : int
        Moments.
    """
    pause_s = min(max(PAUSE_SHARE * duration_s, PAUSE_S_MIN), PAUSE_S_MAX)
    width = (KILLS_TO - KILLS_FROM) / max(len(victims), 1)
    planned = [Kill(name=agent, at_s=AGENT_AT * duration_s, back_s=AGENT_AT * duration_s + pause_s)]
    for number, name in enumerate(victims):
        share = KILLS_FROM + width * (number + uniform(seed, number))
        at_s = share * duration_s
        planned.append(Kill(name=name, at_s=at_s, back_s=at_s + pause_s))
    return sorted(planned, key=lambda kill: kill.at_s)


def cells_of(devices: Sequence[Templated], victims: Sequence[str]) -> Mapping[str, list[str]]:
    """Name the processes and their devices: each victim alone, the rest by protocol."""
    cells: dict[str, list[str]] = {f"device-{name}": [name] for name in victims}
    for device in devices:
        if device.id not in victims:
            cells.setdefault(f"devices-{device.protocol}", []).append(device.id)
    return cells
