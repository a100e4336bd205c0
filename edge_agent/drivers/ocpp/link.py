"""One connection of a charger: answers its calls, makes ours, and bears what is neither.

The ``ocpp`` package owns the messages, ``websockets`` the frames; they are touched here and in
the server only. In front of the package stands a look at each frame: what is no OCPP message,
answers nothing we asked, or comes faster than a charger that waits for its answers would send,
does not reach it.
"""

import asyncio
import dataclasses
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ocpp import v16, v201
from ocpp.exceptions import (
    FormationViolationError,
    FormatViolationError,
    OCPPError,
    UnknownCallErrorCodeError,
)
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from edge_agent.drivers.frames import Direction, FrameTap
from edge_agent.drivers.ocpp.library_log import library_log
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import Words
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    RemoteProtocolError,
)
from protocols.vocabulary.intervals import Clock

CALLS_WAITING_MAX: Final = 16
"""Calls of a charger that wait for us; it should wait for each answer."""
CALLS_PER_S: Final = 50.0
"""Calls we answer in a second; a queue from an offline time is taken at this pace."""
FRAMES_PER_S: Final = 200.0
FRAMES_AT_ONCE: Final = 400.0
"""Frames of any kind: more than this, and it is cut off."""
RECENT_MAX: Final = 64
"""Calls whose repetition is recognised."""
DEPTH_MAX: Final = 12
_NS_PER_S: Final = 1_000_000_000
_CALL, _RESULT, _ERROR = 2, 3, 4
_RESULT_PARTS: Final = 3
_CALL_PARTS: Final = 4
_ID_CHARACTERS: Final = 64

Answer = Callable[[Words], Awaitable[dict[str, object]]]
"""Takes the words of a call, gives the words of its result; raises RemoteProtocolError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTerms:
    """What a connection stands on.

    Attributes
    ----------
    version : str
        ``"1.6"`` or ``"2.0.1"``.
    identity : str
        The charger's id.
    timeout_s : float
        How long it may take to answer us.
    clock : Clock
        Time.
    tap : FrameTap
        Sees frames.
    """

    version: str
    identity: str
    timeout_s: float
    clock: Clock
    tap: FrameTap


class _Told:
    """Connection as the package wants it; what is sent is shown to the tap."""

    def __init__(self, socket: ServerConnection, terms: LinkTerms) -> None:
        self._socket = socket
        self._terms = terms

    async def send(self, text: str) -> None:
        self._terms.tap(Direction.SENT, self._terms.identity, text.encode())
        await self._socket.send(text)


class ChargerLink:
    """A connection, from its opening handshake to its end.

    Parameters
    ----------
    socket : ServerConnection
        Accepted.
    terms : LinkTerms
        Version, identity, time.
    answers : mapping of str to Answer
        By action; any other action is answered as not implemented.

    Attributes
    ----------
    terms, address
        As given, and where it comes from.
    heard_ns : int
        Monotonic time of its last message that was one.
    """

    def __init__(
        self, socket: ServerConnection, terms: LinkTerms, answers: Mapping[str, Answer]
    ) -> None:
        self.terms = terms
        self.address = str(socket.remote_address[0]) if socket.remote_address else ""
        self.heard_ns = terms.clock.monotonic_ns()
        self._socket = socket
        self._library = v16 if terms.version == VERSION_16 else v201
        self._point = self._library.ChargePoint(
            terms.identity,
            _Told(socket, terms),
            response_timeout=terms.timeout_s,
            logger=library_log(),
        )
        self._point.route_map = {
            action: self._route(action, one) for action, one in answers.items()
        }
        self._calls: asyncio.Queue[str] = asyncio.Queue(CALLS_WAITING_MAX)
        self._recent: deque[str] = deque(maxlen=RECENT_MAX)
        self._asking = asyncio.Lock()
        self._pending = ""
        self._refused = ""
        self._number = 0
        self._allowed = FRAMES_AT_ONCE
        self._counted_ns = self.heard_ns

    async def serve(self) -> str:
        """Serve the connection until it ends; return why, for people."""
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(self._answer(), name=f"ocpp {self.terms.identity}")
            try:
                return await self._listen()
            finally:
                answering.cancel()

    async def call(self, action: str, words: Mapping[str, object]) -> Words:
        """Ask the charger.

        Parameters
        ----------
        action : str
            Such as ``"SetChargingProfile"``.
        words : mapping
            Of the request, keys in snake case.

        Returns
        -------
        Words
            Of its result.

        Raises
        ------
        DeviceTimeoutError
            If it does not answer, not in time, or with something that is no answer.
        DeviceRefusedError
            If it answers with an error (CALLERROR).
        """
        request = getattr(self._library.call, action)(**words)
        async with self._asking:
            self._number += 1
            self._pending = unique_id = f"{self.terms.clock.monotonic_ns():x}-{self._number}"
            try:
                result = await self._point.call(request, suppress=False, unique_id=unique_id)
            except TimeoutError:
                raise DeviceTimeoutError(f"no answer to {action}") from None
            except ConnectionClosed:
                raise DeviceTimeoutError("the connection ended") from None
            except (OCPPError, UnknownCallErrorCodeError, TypeError) as error:
                if self._refused == unique_id:
                    raise DeviceRefusedError(f"{action}: {_shown(error)}") from None
                raise DeviceTimeoutError(
                    f"the answer to {action} is none: {error!s:.120}"
                ) from None
            finally:
                self._pending = ""
        return dataclasses.asdict(result)

    async def close(self, code: CloseCode, reason: str) -> None:
        """End the connection; the charger may call again."""
        await self._socket.close(code, reason)

    # --- what comes in -------------------------------------------------------------------

    async def _listen(self) -> str:
        """Sort frames until the connection ends."""
        try:
            while True:
                frame = await self._socket.recv()
                if not self._may_go_on() or not await self._take(frame):
                    await self.close(CloseCode.POLICY_VIOLATION, "too many messages")
                    return "it floods"
        except ConnectionClosed as closed:
            return _why(closed)

    async def _take(self, frame: str | bytes) -> bool:
        """Take one frame; False if the charger does not wait for its answers."""
        data = frame.encode() if isinstance(frame, str) else frame
        self.terms.tap(Direction.RECEIVED, self.terms.identity, data)
        head = _head(frame)
        if head is None:
            return True
        kind, unique_id = head
        text = data.decode()
        if kind == _CALL:
            if unique_id in self._recent:
                return True  # the same frame again: it has its answer, or will get it
            if self._calls.full():
                return False
            self._recent.append(unique_id)
            self._calls.put_nowait(text)
        elif unique_id == self._pending:
            self._refused = unique_id if kind == _ERROR else ""
            self._pending = ""  # a second answer is nobody's
            await self._point.route_message(text)
        else:
            return True
        self.heard_ns = self.terms.clock.monotonic_ns()
        return True

    def _may_go_on(self) -> bool:
        """Count a frame against what is allowed."""
        now_ns = self.terms.clock.monotonic_ns()
        earned = (now_ns - self._counted_ns) / _NS_PER_S * FRAMES_PER_S
        self._counted_ns = now_ns
        self._allowed = min(self._allowed + earned, FRAMES_AT_ONCE) - 1.0
        return self._allowed >= 0.0

    async def _answer(self) -> None:
        """Answer calls one after the other, in order, at a bounded pace."""
        try:
            while True:
                text = await self._calls.get()
                await self._point.route_message(text)
                if not self._calls.empty():
                    await asyncio.sleep(1.0 / CALLS_PER_S)
        except ConnectionClosed:
            return

    def _route(self, action: str, answer: Answer) -> dict[str, object]:
        """Put an answer into the package's table of handlers.

        Calls are not checked against the schema: what a charger says a little wrong is better
        understood than refused, above all the end of a transaction.
        """
        result_class = getattr(self._library.call_result, action)
        violation = (
            FormationViolationError if self.terms.version == VERSION_16 else FormatViolationError
        )

        async def handle(**words: object) -> object:
            try:
                return result_class(**await answer(words))
            except RemoteProtocolError as error:
                raise violation(str(error)) from None

        return {"_on_action": handle, "_skip_schema_validation": True}


def _head(frame: str | bytes) -> tuple[int, str] | None:
    """Kind and id of a message; None if it is none that the package can bear."""
    try:
        message = json.loads(frame, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, list) or len(message) < _RESULT_PARTS:
        return None
    kind, unique_id = message[0], message[1]
    if not isinstance(unique_id, str) or not 0 < len(unique_id) <= _ID_CHARACTERS:
        return None
    if kind == _CALL:
        fits = len(message) == _CALL_PARTS and isinstance(message[2], str)
        fits = fits and isinstance(message[-1], dict)
    elif kind == _RESULT:
        fits = len(message) == _RESULT_PARTS and isinstance(message[-1], dict)
    else:
        fits = kind == _ERROR and len(message) in {4, 5} and isinstance(message[2], str)
    return (kind, unique_id) if fits and not _too_deep(message, DEPTH_MAX) else None


def _no_number(name: str) -> float:
    raise ValueError(name)


def _too_deep(value: object, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if left == 0:
        return True
    inside = value.values() if isinstance(value, dict) else value
    return any(_too_deep(entry, left - 1) for entry in inside)


def _shown(error: Exception) -> str:
    if isinstance(error, OCPPError):
        return f"{error.code} {error.description!s:.80}".strip()
    return f"{error!s:.80}"


def _why(closed: ConnectionClosed) -> str:
    frame = closed.rcvd or closed.sent
    return f"closed with {frame.code} {frame.reason}".strip() if frame else "the connection broke"
