"""A file that a person wrote in TOML, read key by key: what is wrong is told with its place."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from cloud_coordinator.gateway.tls import TlsFiles
from protocols.vocabulary.errors import ConfigError

PORT_MAX = 65_535
T = TypeVar("T")


class Keys:
    """Keys of a file, each taken once and of the type that is asked for.

    Parameters
    ----------
    given : mapping
        As TOML has it.
    place : str
        Option, file and, within it, section; for messages.
    """

    def __init__(self, given: Mapping[str, object], place: str) -> None:
        self._given = dict(given)
        self._place = place

    def fault(self, key: str, cause: str) -> ConfigError:
        """Make the error of a key."""
        return ConfigError(f"{self._place}: {key}: {cause}")

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text; without a default it must be there and say something."""
        value = self._given.pop(key, default)
        if value is None:
            raise self.fault(key, "is missing")
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fault(key, "must be a text that is not empty")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self._given.pop(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.fault(key, "must be a list of texts")
        return tuple(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take true or false."""
        value = self._given.pop(key, default)
        if not isinstance(value, bool):
            raise self.fault(key, "must be true or false")
        return value

    def number(self, key: str, default: float) -> float:
        """Take a number."""
        value = self._given.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(key, "must be a number")
        return float(value)

    def sections(self, key: str) -> "tuple[Keys, ...]":
        """Take a list of tables."""
        value = self._given.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.fault(key, "must be a list of tables")
        return tuple(
            Keys(one, f"{self._place}: {key}[{number}]") for number, one in enumerate(value)
        )

    def checked(self, key: str, check: Callable[[str], T], *, text: str) -> T:
        """Put a text through a check and name the key if it fails."""
        try:
            return check(text)
        except ConfigError as error:
            raise self.fault(key, str(error)) from error

    def refuse_others(self) -> None:
        """Refuse keys that nobody took."""
        if self._given:
            raise self.fault(min(self._given), "is not a key of this file")


def read_toml(path: Path, option: str) -> Keys:
    """Read a file that an option names.

    Raises
    ------
    ConfigError
        If it cannot be read, or is not TOML.
    """
    place = f"{option} {path}"
    try:
        return Keys(tomllib.loads(path.read_text(encoding="utf-8")), place)
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: {error}") from error


def listen_address(keys: Keys, key: str, text: str) -> tuple[str, int]:
    """Split ``host:port``.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise keys.fault(key, f"{text!r}: use host:port")
    return host.strip("[]"), int(port)


def tls_files(keys: Keys, folder: Path) -> TlsFiles | None:
    """Take certificate, key and ca: all three or none.

    Raises
    ------
    ConfigError
        If some of them are missing, or are no files.
    """
    texts = {key: keys.text(key, "") for key in ("certificate", "key", "ca")}
    if not any(texts.values()):
        return None
    for key, text in texts.items():
        if not text:
            raise keys.fault(key, "is missing; certificate, key and ca belong together")
        if not (folder / text).is_file():
            raise keys.fault(key, f"{text!r} is not a file in {folder}")
    return TlsFiles(
        certificate=folder / texts["certificate"],
        key=folder / texts["key"],
        authorities=folder / texts["ca"],
    )
