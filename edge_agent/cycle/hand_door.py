"""The technician's door of a running agent: a folder of the site's data, no network.

Who may write into the folder may act: it belongs to the agent's user and is closed to others
(mode 700). An order is one small file, renamed into place; the agent takes it in its next
cycle, answers in another file and takes both away in time. The agent journals what it does
before it answers. Giver and agent may both die at any moment: an order is done once, or it is
too old and refused.
"""

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from edge_agent.cycle.hand import HandKind, HandOrder
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId

FOLDER: Final = "hand"
ORDER: Final = ".order.json"
ANSWER: Final = ".answer.json"
TAKEN_MAX: Final = 16
"""Orders taken in one cycle; more wait for the next."""
BYTES_MAX: Final = 4096
ANSWERS_KEPT_S: Final = 120.0

_log = structlog.get_logger(__name__)


class HandDoor:
    """The agent's side of the door.

    Parameters
    ----------
    data_dir : Path
        The site's data.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def take(self) -> tuple[HandOrder, ...]:
        """Read the orders that wait, the oldest first; called from a worker thread.

        What cannot be read as an order is answered so and taken away.
        """
        found: list[HandOrder] = []
        try:
            waiting = sorted(self._folder.glob(f"*{ORDER}"), key=lambda path: path.name)
        except OSError:
            return ()
        for path in waiting[:TAKEN_MAX]:
            try:
                found.append(read_order(path.read_bytes()[: BYTES_MAX + 1], _id_of(path)))
            except OSError:
                continue
            except ConfigError as error:
                self.answer({_id_of(path): str(error)})
        return tuple(found)

    def answer(self, answers: Mapping[str, str]) -> None:
        """Tell what became of orders, and take their files away; called from a worker thread."""
        for order_id, cause in answers.items():
            try:
                _put(self._folder / f"{order_id}{ANSWER}", {"refused": cause})
                (self._folder / f"{order_id}{ORDER}").unlink(missing_ok=True)
            except OSError as error:
                _log.warning("hand.unanswered", order_id=order_id, cause=str(error))
        if answers:
            self._tidy()

    def _tidy(self) -> None:
        """Take away answers that nobody came for."""
        newest_s = 0.0
        ages: list[tuple[float, Path]] = []
        for path in self._folder.glob(f"*{ANSWER}"):
            try:
                ages.append((path.stat().st_mtime, path))
            except OSError:
                continue
        newest_s = max((at for at, _ in ages), default=0.0)
        for at, path in ages:
            if newest_s - at > ANSWERS_KEPT_S:
                path.unlink(missing_ok=True)


class NoDoor:
    """A site without a technician's door."""

    def take(self) -> tuple[HandOrder, ...]:
        """Nothing ever waits."""
        return ()

    def answer(self, answers: Mapping[str, str]) -> None:
        """Nobody listens."""


def knock(data_dir: Path, order: HandOrder) -> Path:
    """Put an order into the door; return where its answer will be.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    folder = data_dir / FOLDER
    document = {
        "kind": order.kind.value,
        "by": order.by,
        "reason": order.reason,
        "given_at": order.given_at.isoformat(),
        "resource_id": order.resource_id,
        "power_w": order.power_w,
        "until": None if order.until is None else order.until.isoformat(),
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(folder / f"{order.order_id}{ORDER}", document)
    except OSError as error:
        raise ConfigError(f"data_dir: {folder}: {error.strerror or error}") from error
    return folder / f"{order.order_id}{ANSWER}"


def answered(path: Path) -> str | None:
    """Read an answer and take it away: why the order is refused, "" if done, None if not yet."""
    try:
        said = json.loads(path.read_bytes())
        path.unlink(missing_ok=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return str(said.get("refused", "")) if isinstance(said, dict) else "malformed answer"


def withdraw(path: Path) -> None:
    """Take back an order that nobody answered, by the place of its answer."""
    order = path.with_name(path.name.removesuffix(ANSWER) + ORDER)
    order.unlink(missing_ok=True)


def read_order(data: bytes, order_id: str) -> HandOrder:
    """Read an order.

    Raises
    ------
    ConfigError
        Field and cause, if it is none.
    """
    if len(data) > BYTES_MAX:
        raise ConfigError(f"order: is longer than {BYTES_MAX} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError("order: is not JSON") from error
    if not isinstance(found, dict):
        raise ConfigError("order: is not an object")
    try:
        kind = HandKind(found.get("kind"))
    except ValueError as error:
        raise ConfigError("kind: is none of override, release, safe") from error
    power = found.get("power_w")
    if power is not None and (isinstance(power, bool) or not isinstance(power, int | float)):
        raise ConfigError("power_w: must be a number of W")
    until, resource_id = found.get("until"), found.get("resource_id")
    return HandOrder(
        order_id=order_id,
        kind=kind,
        by=str(found.get("by", "")),
        reason=str(found.get("reason", "")),
        given_at=_moment("given_at", found.get("given_at")),
        resource_id=None if resource_id is None else ResourceId(str(resource_id)),
        power_w=None if power is None else _finite(power),
        until=None if until is None else _moment("until", until),
    )


def _finite(power: float) -> float:
    try:
        return float(power)
    except OverflowError:
        return math.inf


def _moment(name: str, text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ConfigError(f"{name}: is no time") from error
    if moment.tzinfo is None:
        raise ConfigError(f"{name}: has no time zone")
    return moment.astimezone(UTC)


def _id_of(path: Path) -> str:
    return path.name.removesuffix(ORDER)


def _put(path: Path, document: object) -> None:
    """Write a file that is there whole or not at all, for its owner only."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
