"""Which devices give primary reserve: those that a recorded step test found able to.

The technician's ``primary test --save`` writes the file, the agent reads it when it starts.
Without one, every device that takes a setpoint is lent to the loop.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.config.site import SiteConfig
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId

FILE_NAME: Final = "primary-members.json"


def members_path(config: SiteConfig) -> Path:
    """Where the result of the last step test is kept."""
    return config.data_dir / FILE_NAME


def save_members(
    config: SiteConfig, device_ids: Sequence[str], *, rule_set_id: str, tested_at: datetime
) -> Path:
    """Keep the devices that qualified; the agent uses them from its next start.

    Raises
    ------
    ConfigError
        If a name is no device of the site, or the file cannot be written.
    """
    known = {device.device_id for device in config.devices}
    if strangers := sorted(set(device_ids) - known):
        raise ConfigError(f"not a device of {config.site_id}: {', '.join(strangers)}")
    path = members_path(config)
    plain = {
        "members": [str(config.resource_id(name)) for name in device_ids],
        "rule_set_id": rule_set_id,
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
    return tuple(ResourceId(name) for name in members)
