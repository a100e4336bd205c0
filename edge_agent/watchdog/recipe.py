"""The release recipe: what must be sent to give every leased device back without the agent.

The agent's driver writes it (through its ``LeaseBook`` port) before the first write of a
lease; the watchdog, and the agent's next life, read it. The agent decides what is in it: a
device's own default, or the limit that must go on holding (settled 6).
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.lease_book import WIRE_ECHONET_LITE, WIRES, LeasedDevice
from protocols.vocabulary.errors import ConfigError, JournalError
from protocols.vocabulary.identifiers import ResourceId

RECIPE_FILE: Final = "release.json"
VERSION: Final = 1
REFRESH: Final = timedelta(seconds=10)
"""A lease that is only prolonged is written down again after this much, to spare the disk."""
RECIPE_BYTES_MAX: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the file holds.

    Attributes
    ----------
    gateway_address, gateway_port : str, int
        Where ECHONET devices expect the gateway; empty and 0 without such devices.
    devices : tuple of LeasedDevice
        All that is leased now.
    """

    gateway_address: str
    gateway_port: int
    devices: tuple[LeasedDevice, ...]


class ReleaseRecipe:
    """The writer; it is the driver's ``LeaseBook``.

    Parameters
    ----------
    state_dir : Path
        Folder shared with the watchdog; made if it is missing.
    gateway_address, gateway_port : str, int
        Where ECHONET devices expect the gateway; empty and 0 without such devices.

    Attributes
    ----------
    gateway_address, gateway_port : str, int
        As given.

    Raises
    ------
    ConfigError
        If there is a recipe and it cannot be read: a person must look, for devices may still
        be leased by it.
    """

    def __init__(self, state_dir: Path, *, gateway_address: str, gateway_port: int) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._path = state_dir / RECIPE_FILE
        self.gateway_address = gateway_address
        self.gateway_port = gateway_port
        before = load_recipe(state_dir)
        devices = () if before is None else before.devices
        self._held: dict[ResourceId, LeasedDevice] = {
            leased.resource_id: leased for leased in devices
        }

    @classmethod
    def of_site(cls, config: SiteConfig, state_dir: Path) -> Self:
        """Open the book of a site; raises as the class does."""
        echonet = config.echonet
        if echonet is None:
            return cls(state_dir, gateway_address="", gateway_port=0)
        return cls(state_dir, gateway_address=echonet.address, gateway_port=echonet.port)

    def hold(self, leased: LeasedDevice) -> None:
        """Record a lease; on disk when it returns, unless it only prolongs a little.

        Raises
        ------
        JournalError
            If the file cannot be written; the record on disk is as before.
        """
        known = self._held.get(leased.resource_id)
        if known is not None:
            later = leased.valid_until - known.valid_until
            same = replace(leased, valid_until=known.valid_until) == known
            if same and timedelta(0) <= later < REFRESH:
                return
        self._held[leased.resource_id] = leased
        try:
            self._save()
        except OSError as error:
            if known is None:
                del self._held[leased.resource_id]
            else:
                self._held[leased.resource_id] = known
            message = f"{self._path}: the lease cannot be written down: {error.strerror}"
            raise JournalError(message) from None

    def drop(self, resource_id: ResourceId) -> None:
        """Forget a device that has confirmed its release.

        Where the disk does not take it, the file names a device too many until it does:
        releasing that once more does no harm.
        """
        if self._held.pop(resource_id, None) is not None:
            with contextlib.suppress(OSError):
                self._save()

    def left_over(self) -> tuple[LeasedDevice, ...]:
        """Leases that are in force by this book: of an earlier life, or of a family's."""
        return tuple(self._held.values())

    def _save(self) -> None:
        document = {
            "version": VERSION,
            "gateway_address": self.gateway_address,
            "gateway_port": self.gateway_port,
            "devices": [_to_plain(leased) for leased in self._held.values()],
        }
        replace_file(self._path, document)


def replace_file(path: Path, document: Mapping[str, object]) -> None:
    """Replace a JSON file in one step: a reader sees the old or the new one, never a part."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="ascii")
    fresh.replace(path)


def load_recipe(state_dir: Path) -> Recipe | None:
    """Read the recipe.

    Returns
    -------
    Recipe or None
        None if there is none.

    Raises
    ------
    ConfigError
        If there is one and it cannot be understood.
    """
    path = state_dir / RECIPE_FILE
    try:
        with path.open("rb") as file:
            text = file.read(RECIPE_BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            message = f"{path}: version: {document['version']} is not {VERSION}"
            raise ConfigError(message)
        return Recipe(
            gateway_address=str(document["gateway_address"]),
            gateway_port=int(document["gateway_port"]),
            devices=tuple(_from_plain(plain) for plain in document["devices"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path}: not a release recipe ({type(error).__name__}: {error})"
        raise ConfigError(message) from None


def _to_plain(leased: LeasedDevice) -> dict[str, object]:
    return {
        "resource_id": leased.resource_id,
        "wire": leased.wire,
        "address": leased.address,
        "port": leased.port,
        "frames": [frame.hex() for frame in leased.frames],
        "check_frame": leased.check_frame.hex(),
        "expected": leased.expected.hex(),
        "restores": leased.restores,
        "valid_until": leased.valid_until.isoformat(),
    }


def _from_plain(plain: Mapping[str, object]) -> LeasedDevice:
    frames = plain["frames"]
    if not isinstance(frames, list):
        raise TypeError("frames is not a list")
    wire = str(plain.get("wire", WIRE_ECHONET_LITE))  # the only one of the first version
    if wire not in WIRES:
        message = f"wire {wire!r} is not known"
        raise ValueError(message)
    return LeasedDevice(
        resource_id=ResourceId(str(plain["resource_id"])),
        wire=wire,
        address=str(plain["address"]),
        port=int(str(plain["port"])),
        frames=tuple(bytes.fromhex(str(frame)) for frame in frames),
        check_frame=bytes.fromhex(str(plain["check_frame"])),
        expected=bytes.fromhex(str(plain["expected"])),
        restores=str(plain["restores"]),
        valid_until=datetime.fromisoformat(str(plain["valid_until"])),
    )
