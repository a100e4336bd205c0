"""What the gateway answers to a charger's calls, in both versions.

Each answer is a function from words to words. What a charger tells goes into its
:class:`~edge_agent.drivers.ocpp.charger.Charger`, transactions into the book, and only what is
in the book is acknowledged. Who may charge is the charger's own affair: the gateway lets
everybody, for it meters and limits, it does not sell.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.ocpp.charger import Charger, nameplate_of
from edge_agent.drivers.ocpp.link import Answer
from edge_agent.drivers.ocpp.transaction_book import TransactionBook
from protocols.ocpp.measurands import sample_of
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.transactions import Step, TransactionEvent
from protocols.ocpp.words import (
    Words,
    list_of,
    number_of,
    text_of,
    time_of,
    time_text,
    whole_of,
    words_of,
)
from protocols.vocabulary.errors import RemoteProtocolError

HEARTBEAT_S: Final = 10
"""Pause between heartbeats that a charger is told when it boots."""
_ID_CHARACTERS: Final = 64
_STEPS: Final[Mapping[str, Step]] = {
    "Started": Step.STARTED,
    "Updated": Step.UPDATED,
    "Ended": Step.ENDED,
}
_ACCEPTED: Final = {"status": "Accepted"}
_NOTICES_16: Final = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "SecurityEventNotification",
    "SignedFirmwareStatusNotification",
)
_NOTICES_201: Final = (
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
)
"""Told by chargers, of no use here, and answered with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who answers a charger.

    Attributes
    ----------
    charger : Charger
        Which.
    book : TransactionBook
        Where its transactions are kept.
    booted_again : callable
        Called when it has started anew on a connection it had; a connection is news itself.
    """

    charger: Charger
    book: TransactionBook
    booted_again: Callable[[], None]


def answers_of(desk: Desk) -> dict[str, Answer]:
    """Answers to the calls of a charger, by action."""
    own = _answers_16(desk) if desk.charger.wire.version == VERSION_16 else _answers_201(desk)
    return {
        "BootNotification": _on(desk, _boot),
        "Heartbeat": _on(desk, _heartbeat),
        "DataTransfer": _on(desk, _data_transfer),
        **own,
    }


def _answers_16(desk: Desk) -> dict[str, Answer]:
    return {
        **{action: _on(desk, _nothing) for action in _NOTICES_16},
        "Authorize": _on(desk, _authorize_16),
        "StatusNotification": _on(desk, _status_16),
        "MeterValues": _on(desk, _values_16),
        "StartTransaction": _on(desk, _start_16),
        "StopTransaction": _on(desk, _stop_16),
    }


def _answers_201(desk: Desk) -> dict[str, Answer]:
    return {
        **{action: _on(desk, _nothing) for action in _NOTICES_201},
        "Authorize": _on(desk, _authorize_201),
        "StatusNotification": _on(desk, _status_201),
        "MeterValues": _on(desk, _values_201),
        "TransactionEvent": _on(desk, _transaction_201),
    }


def _on(desk: Desk, answer: Callable[[Desk, Words], Awaitable[dict[str, object]]]) -> Answer:
    async def bound(words: Words) -> dict[str, object]:
        return await answer(desk, words)

    return bound


# --- both versions -----------------------------------------------------------------------


async def _boot(desk: Desk, words: Words) -> dict[str, object]:
    charger = desk.charger
    again = charger.booted_on is charger.link
    charger.hear_boot(nameplate_of(charger.wire.version, words))
    if again:
        desk.booted_again()
    now = time_text(charger.clock.now())
    return {**_ACCEPTED, "current_time": now, "interval": HEARTBEAT_S}


async def _heartbeat(desk: Desk, _words: Words) -> dict[str, object]:
    return {"current_time": time_text(desk.charger.clock.now())}


async def _data_transfer(_desk: Desk, _words: Words) -> dict[str, object]:
    return {"status": "UnknownVendorId"}


async def _nothing(_desk: Desk, _words: Words) -> dict[str, object]:
    return {}


# --- 1.6 ---------------------------------------------------------------------------------


async def _authorize_16(_desk: Desk, _words: Words) -> dict[str, object]:
    return {"id_tag_info": dict(_ACCEPTED)}


async def _status_16(desk: Desk, words: Words) -> dict[str, object]:
    desk.charger.hear_status(_connector(words, "connector_id"), text_of(words, "status"))
    return {}


async def _values_16(desk: Desk, words: Words) -> dict[str, object]:
    connector = _connector(words, "connector_id")
    values = list_of(words, "meter_value")
    desk.charger.hear_values(connector, values, offline=False)
    number = whole_of(words, "transaction_id")
    if number is not None and number > 0:
        await desk.book.take(
            TransactionEvent(
                charge_point=desk.charger.identity,
                transaction_id=str(number),
                step=Step.UPDATED,
                at=None,
                connector=connector,
                meter_wh=_register(values),
            )
        )
    return {}


async def _start_16(desk: Desk, words: Words) -> dict[str, object]:
    """Give a transaction its number, the same if the charger asks again."""
    meter_wh, at = number_of(words, "meter_start"), time_of(words, "timestamp")
    if meter_wh is None or at is None:
        raise RemoteProtocolError("a start without meterStart or timestamp")
    transaction = await desk.book.take(
        TransactionEvent(
            charge_point=desk.charger.identity,
            transaction_id="",
            step=Step.STARTED,
            at=at,
            connector=_connector(words, "connector_id"),
            id_token=text_of(words, "id_tag")[:_ID_CHARACTERS],
            meter_wh=meter_wh,
        )
    )
    number = int(transaction.transaction_id)
    return {"transaction_id": number, "id_tag_info": dict(_ACCEPTED)}


async def _stop_16(desk: Desk, words: Words) -> dict[str, object]:
    number = whole_of(words, "transaction_id")
    if number is None:
        raise RemoteProtocolError("a stop without transactionId")
    await desk.book.take(
        TransactionEvent(
            charge_point=desk.charger.identity,
            transaction_id=str(number),
            step=Step.ENDED,
            at=time_of(words, "timestamp"),
            meter_wh=number_of(words, "meter_stop"),
            reason=text_of(words, "reason")[:_ID_CHARACTERS] or "Local",
        )
    )
    return {"id_tag_info": dict(_ACCEPTED)}


# --- 2.0.1 -------------------------------------------------------------------------------


async def _authorize_201(_desk: Desk, _words: Words) -> dict[str, object]:
    return {"id_token_info": dict(_ACCEPTED)}


async def _status_201(desk: Desk, words: Words) -> dict[str, object]:
    desk.charger.hear_status(_connector(words, "evse_id"), text_of(words, "connector_status"))
    return {}


async def _values_201(desk: Desk, words: Words) -> dict[str, object]:
    values = list_of(words, "meter_value")
    desk.charger.hear_values(_connector(words, "evse_id"), values, offline=False)
    return {}


async def _transaction_201(desk: Desk, words: Words) -> dict[str, object]:
    info, evse = words_of(words, "transaction_info"), words_of(words, "evse")
    step = _STEPS.get(text_of(words, "event_type"))
    transaction_id = text_of(info, "transaction_id")
    if step is None or not 0 < len(transaction_id) <= _ID_CHARACTERS:
        raise RemoteProtocolError("a transaction event without type or transaction")
    values = list_of(words, "meter_value")
    token = words_of(words, "id_token")
    connector = whole_of(evse, "id")
    transaction = await desk.book.take(
        TransactionEvent(
            charge_point=desk.charger.identity,
            transaction_id=transaction_id,
            step=step,
            at=time_of(words, "timestamp"),
            connector=connector,
            sequence=whole_of(words, "seq_no"),
            id_token=text_of(token, "id_token")[:_ID_CHARACTERS],
            meter_wh=_register(values),
            reason=text_of(info, "stopped_reason")[:_ID_CHARACTERS]
            or ("Local" if step is Step.ENDED else ""),
        )
    )
    # Only the first event of a transaction must name its EVSE.
    where = transaction.connector if connector is None else connector
    if where is None and desk.charger.wire.connectors == 1:
        where = 1
    if where is not None:
        desk.charger.hear_values(where, values, offline=words.get("offline") is True)
    return {"id_token_info": dict(_ACCEPTED)} if token else {}


def _connector(words: Words, key: str) -> int:
    """Take the number of a connector; a message without one is broken."""
    number = whole_of(words, key)
    if number is None or number < 0:
        raise RemoteProtocolError(f"no {key}")
    return number


def _register(values: tuple[Words, ...]) -> float | None:
    """Greatest reading of the energy register among meter values."""
    samples = (
        sample_of(list_of(value, "sampled_value"), phases=1, voltage_v=1.0) for value in values
    )
    told = [s.energy_wh_charged for s in samples if s.energy_wh_charged is not None]
    return max(told, default=None)
