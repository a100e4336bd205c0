"""Which devices give primary reserve: those that a recorded step test found able to.

The technician's ``primary test --save`` writes the file, the agent reads it when it starts and
tells the coordinator what it shows. Without one, every device that takes a setpoint is lent to the
loop, and the coordinator awards the site no primary reserve.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.control.step_test import Combination, PrimaryRule
from edge_agent.cycle.record import Happened
from protocols.link.messages import Plain
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId

FILE_NAME: Final = "primary-members.json"


def members_path(config: SiteConfig) -> Path:
    """Where the result of the last step test is kept."""
    return config.data_dir / FILE_NAME


def save_members(
    config: SiteConfig, best: Combination, *, rule: PrimaryRule, tested_at: datetime
) -> Path:
    """Keep the devices that qualified; the agent uses them from its next start.

    Parameters
    ----------
    config : SiteConfig
        The site.
    best : Combination
        Devices and the upward power they showed together.
    rule : PrimaryRule
        By which they qualified.
    tested_at : datetime
        Aware UTC.

    Raises
    ------
    ConfigError
        If a name is no device of the site, or the file cannot be written.
    """
    known = {device.device_id for device in config.devices}
    if strangers := sorted(set(best.names) - known):
        raise ConfigError(f"not a device of {config.site_id}: {', '.join(strangers)}")
    path = members_path(config)
    plain = {
        "members": [str(config.resource_id(name)) for name in best.names],
        "rule_set_id": rule.rule_set_id,
        "product": rule.product,
        "available_w": best.available_w,
        "tested_at": tested_at.isoformat(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    return path


def named_members(config: SiteConfig) -> tuple[ResourceId, ...] | None:
    """Read the devices that a step test named; None where none was recorded.

    Raises
    ------
    ConfigError
        If the file is there and cannot be understood: it is not guessed at.
    """
    plain = _read(config)
    return None if plain is None else tuple(ResourceId(str(name)) for name in _members(plain))


def qualified(config: SiteConfig) -> tuple[Happened, ...]:
    """Tell, at the agent's start, what the last step test showed; nothing where none did.

    A file of before the power was kept tells nothing: the test is to be judged and saved again.

    Raises
    ------
    ConfigError
        As :func:`named_members`.
    """
    plain = _read(config)
    if plain is None or not {"product", "available_w", "rule_set_id", "tested_at"} <= set(plain):
        return ()
    return (Happened(kind="primary.qualified", payload=plain),)


def _read(config: SiteConfig) -> dict[str, Plain] | None:
    path = members_path(config)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    members = plain.get("members") if isinstance(plain, dict) else None
    if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
        raise ConfigError(f"{path}: no list of members")
    found: dict[str, Plain] = plain
    return found


def _members(plain: dict[str, Plain]) -> list[Plain]:
    members = plain["members"]
    assert isinstance(members, list), "checked when it was read"
    return members
