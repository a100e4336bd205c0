"""The truth log: what really was, one JSON line per site and second, so that tests can compare.

Not the agent's journal: nobody on the wire sees it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from firmware_sim.site import Truth
from protocols.vocabulary.errors import ConfigError

_DECIMALS = 6


class TruthLog:
    """Writes truth, flushed after each call.

    Parameters
    ----------
    path : Path
        Written anew.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._stream = path.open("w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: --truth cannot be written: {error.strerror}") from None

    def write(self, truths: Iterable[Truth]) -> None:
        """Append lines."""
        lines = [json.dumps(_plain(truth), separators=(",", ":")) + "\n" for truth in truths]
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def read_truth(path: Path) -> list[Truth]:
    """Read a truth log; a last line that is not whole (the writer was killed) is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Truth(**json.loads(line)) for line in lines[:-1]]


def _plain(truth: Truth) -> dict[str, object]:
    """Truth as plain data, numbers rounded to what means something."""
    return {key: _rounded(value) for key, value in asdict(truth).items()}


def _rounded(value: object) -> object:
    """Round floats, also those of a mapping."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return value
