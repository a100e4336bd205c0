"""Handing in: durable before it leaves, durable before it is told, never twice as new.

A request whose answer was lost is asked for by its id. Only where the venue says that it has
never seen the id are the same bytes sent again, under the same id, which the venue takes once.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import structlog

from cloud_coordinator.gateway.exchanges.line import (
    Patience,
    VenueRefusedError,
    VenueSilentError,
)
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.trading import (
    OutcomeUnknownError,
    SubmissionRecord,
    SubmissionState,
    SubmissionStore,
)
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Clock

_log = structlog.get_logger(__name__)


class Wire(Protocol):
    """How one venue is spoken to. All raise VenueSilentError and VenueRefusedError."""

    async def post(self, record: SubmissionRecord) -> bytes:
        """Send; return the body of the answer."""

    async def ask(self, record: SubmissionRecord) -> bytes | None:
        """Return the answer to what was sent before; None if the venue has never seen it."""

    def check(self, record: SubmissionRecord, answer: bytes) -> None:
        """Raise RemoteProtocolError if that is no answer to this record."""


class Counter:
    """Where submissions are handed in.

    Parameters
    ----------
    store : SubmissionStore
        Keeps them.
    clock : Clock
        When.
    patience : Patience
        How long.
    """

    def __init__(self, store: SubmissionStore, clock: Clock, patience: Patience) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience

    def knows(self, request_id: str) -> bool:
        """Whether something was handed in under an id before."""
        return self._store.find(request_id) is not None

    async def hand_in(self, record: SubmissionRecord, wire: Wire) -> bytes:
        """Return the venue's answer to a record, sent now or before.

        Raises
        ------
        RejectedError
            If the venue took nothing.
        ConflictError
            If the id was used for something else.
        OutcomeUnknownError
            If nobody can say; the record stays OPEN.
        """
        known = self._store.find(record.request_id)
        answer: bytes | None = None
        if known is None:
            self._store.save(record)
        else:
            if (known.sent, known.venue) != (record.sent, record.venue):
                raise ConflictError(f"{record.request_id!r} was handed in with different content")
            if known.state is SubmissionState.REFUSED:
                raise RejectedError(f"{known.request_id}: {_words(known.answered)}")
            if known.answered is not None:
                return known.answered
            record = known
            answer = await self._asked(record, wire)
        if answer is None:
            answer = await self._sent(record, wire)
        done = SubmissionState.ANSWERED
        self._store.save(
            replace(record, state=done, answered=answer, answered_at=self._clock.now())
        )
        return answer

    async def _sent(self, record: SubmissionRecord, wire: Wire) -> bytes:
        """Post, and ask after each post that failed."""
        pause_s, cause = self._patience.pause_s, ""
        for _ in range(self._patience.tries):
            try:
                answer = await wire.post(record)
                wire.check(record, answer)
            except VenueRefusedError as error:
                self._refused(record, error)
                raise RejectedError(f"{record.request_id}: {error}") from error
            except RemoteProtocolError as error:
                cause = str(error)
                _log.warning("submission.unanswered", request=record.request_id, cause=cause)
            else:
                return answer
            await asyncio.sleep(pause_s)
            pause_s *= 2.0
            try:
                asked = await self._asked(record, wire)
            except OutcomeUnknownError as error:
                cause = str(error)
            else:
                if asked is not None:
                    return asked
        raise OutcomeUnknownError(f"{record.request_id}: {cause}")

    async def _asked(self, record: SubmissionRecord, wire: Wire) -> bytes | None:
        """Ask by id; None if the venue has never seen it."""
        try:
            answer = await wire.ask(record)
            if answer is not None:
                wire.check(record, answer)
        except RemoteProtocolError as error:
            raise OutcomeUnknownError(f"{record.request_id}: asked for: {error}") from error
        return answer

    def _refused(self, record: SubmissionRecord, error: VenueRefusedError) -> None:
        self._store.save(
            replace(
                record,
                state=SubmissionState.REFUSED,
                answered=str(error).encode("utf-8"),
                answered_at=self._clock.now(),
            )
        )


async def fetched(wire_call: "Question", patience: Patience) -> bytes:
    """Ask a question that changes nothing until it is answered.

    Raises
    ------
    RejectedError
        If the venue has no answer to give.
    OutcomeUnknownError
        If it stays silent.
    """
    pause_s, cause = patience.pause_s, ""
    for _ in range(patience.tries):
        try:
            return await wire_call.ask_once()
        except VenueRefusedError as error:
            raise RejectedError(str(error)) from error
        except VenueSilentError as error:
            cause = str(error)
        await asyncio.sleep(pause_s)
        pause_s *= 2.0
    raise OutcomeUnknownError(cause)


class Question(Protocol):
    """A request that changes nothing."""

    async def ask_once(self) -> bytes:
        """Return the body of the answer."""


def _words(answered: bytes | None) -> str:
    return (answered or b"").decode("utf-8", errors="replace")
