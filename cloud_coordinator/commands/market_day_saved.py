"""Days of a backtest that are done: one JSON line each, appended as soon as a day is there."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal, InvalidOperation
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from cloud_coordinator.services.market_day.backtest import DaySummary
from protocols.vocabulary.errors import ConfigError

_DECIMALS = ("capacity_jpy", "penalties_jpy", "degradation_jpy")


class SavedDays:
    """Days of one question; lines of other questions are left alone.

    Parameters
    ----------
    path : Path or None
        The file; None keeps nothing.
    question : str
        Digest of what was asked.

    Raises
    ------
    ConfigError
        If a line cannot be understood; the last one, if it is torn, is cut off and done again.
    """

    def __init__(self, path: Path | None, question: str) -> None:
        self._path = path
        self._question = question
        self._file: TextIOWrapper | None = None
        self._days: dict[tuple[str, date], DaySummary] = {}
        self._torn = False
        self._whole_bytes = 0
        if path is not None and path.exists():
            self._load(path)

    @property
    def days(self) -> Mapping[tuple[str, date], DaySummary]:
        """What is done."""
        return self._days

    def __enter__(self) -> "SavedDays":
        """Open the file for what follows."""
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8")
                if self._torn:
                    self._file.truncate(self._whole_bytes)
            except OSError as error:
                raise ConfigError(f"--saved: {self._path}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def keep(self, one: DaySummary) -> None:
        """Write a day once."""
        key = (one.scenario, one.day)
        if key in self._days:
            return
        self._days[key] = one
        if self._file is not None:
            values = {field.name: getattr(one, field.name) for field in fields(one)}
            line = json.dumps({"question": self._question, **values}, default=str)
            self._file.write(f"{line}\n")
            self._file.flush()

    def _load(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--saved: {path}: {error}") from error
        self._torn = bool(lines[-1])
        self._whole_bytes = len("\n".join([*lines[:-1], ""]).encode())
        for number, line in enumerate(lines[:-1], start=1):
            try:
                self._take(json.loads(line))
            except (KeyError, TypeError, ValueError, InvalidOperation) as error:
                raise ConfigError(f"--saved: {path}:{number}: {error!r}") from error

    def _take(self, plain: dict[str, object]) -> None:
        if plain.pop("question") != self._question:
            return
        values = dict(plain)
        values["day"] = date.fromisoformat(str(plain["day"]))
        for name in _DECIMALS:
            values[name] = Decimal(str(plain[name]))
        expected = plain["expected_kwh"]
        if not isinstance(expected, list):
            raise TypeError("expected_kwh")
        values["expected_kwh"] = tuple(float(one) for one in expected)
        causes = plain["causes"]
        if not isinstance(causes, dict):
            raise TypeError("causes")
        values["causes"] = {str(name): int(count) for name, count in causes.items()}
        one = DaySummary(**values)  # type: ignore[arg-type]  # checked by the names of the fields
        self._days[one.scenario, one.day] = one
