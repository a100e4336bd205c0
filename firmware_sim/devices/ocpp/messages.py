"""Calls a simulated charger makes, in the words of both versions."""

from dataclasses import dataclass, replace
from typing import Final

from protocols.ocpp.states import VERSION_16

VENDOR: Final = "Simulated"
FIRMWARE: Final = "1.0"
TOKEN: Final = "SIM-CAR"  # noqa: S105 - the name of a car, not a secret


@dataclass(frozen=True, slots=True)
class Session:
    """A charging transaction as the charger sees it.

    Attributes
    ----------
    local_id : str
        Its own name for it; the name in 2.0.1.
    number : int or None
        What the central system called it (1.6); None until it answered the start.
    """

    local_id: str
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that waits to be made.

    Attributes
    ----------
    action : str
        Such as ``"StartTransaction"``.
    words : dict
        Its payload, keys in snake case.
    kept : bool
        About a transaction: kept while offline, and repeated until it is answered.
    local_id : str
        Of the session it is about; empty if about none.
    """

    action: str
    words: dict[str, object]
    kept: bool = False
    local_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When, and what the register says then.

    Attributes
    ----------
    stamp : str
        The charger's own time.
    energy_wh : float
        Energy register.
    values : list
        ``sampledValue``; empty if none are sent.
    """

    stamp: str
    energy_wh: float
    values: list[dict[str, object]]

    @property
    def meter_value(self) -> list[dict[str, object]]:
        """``meterValue``; empty without values."""
        if not self.values:
            return []
        return [{"timestamp": self.stamp, "sampled_value": self.values}]


def boot(version: str, *, model: str, serial: str) -> Call:
    """BootNotification."""
    if version == VERSION_16:
        words: dict[str, object] = {
            "charge_point_vendor": VENDOR,
            "charge_point_model": model[:20],
            "charge_point_serial_number": serial[:25],
            "firmware_version": FIRMWARE,
        }
    else:
        station = {
            "vendor_name": VENDOR,
            "model": model[:20],
            "serial_number": serial[:25],
            "firmware_version": FIRMWARE,
        }
        words = {"charging_station": station, "reason": "PowerUp"}
    return Call(action="BootNotification", words=words)


def status(version: str, *, connector: int, state: str, stamp: str) -> Call:
    """StatusNotification."""
    if version == VERSION_16:
        words: dict[str, object] = {
            "connector_id": connector,
            "error_code": "OtherError" if state == "Faulted" else "NoError",
            "status": state,
            "timestamp": stamp,
        }
    else:
        words = {
            "timestamp": stamp,
            "connector_status": state,
            "evse_id": connector,
            "connector_id": 1,
        }
    return Call(action="StatusNotification", words=words)


def meter_values(version: str, *, connector: int, moment: Moment, session: Session | None) -> Call:
    """MeterValues; about a transaction in 1.6 where there is one."""
    if version != VERSION_16:
        words: dict[str, object] = {"evse_id": connector, "meter_value": moment.meter_value}
        return Call(action="MeterValues", words=words)
    words = {"connector_id": connector, "meter_value": moment.meter_value}
    local_id = "" if session is None else session.local_id
    return Call(action="MeterValues", words=words, kept=session is not None, local_id=local_id)


def started(version: str, *, connector: int, moment: Moment, session: Session) -> Call:
    """StartTransaction, or TransactionEvent Started."""
    if version == VERSION_16:
        words: dict[str, object] = {
            "connector_id": connector,
            "id_tag": TOKEN,
            "meter_start": round(moment.energy_wh),
            "timestamp": moment.stamp,
        }
        return Call(action="StartTransaction", words=words, kept=True, local_id=session.local_id)
    call = _event("Started", "CablePluggedIn", moment, session=session, state="Charging")
    evse = {"id": connector, "connector_id": 1}
    token = {"id_token": TOKEN, "type": "Central"}
    return replace(call, words={**call.words, "evse": evse, "id_token": token})


def updated(*, moment: Moment, session: Session, trigger: str, state: str) -> Call:
    """TransactionEvent Updated (2.0.1 only)."""
    return _event("Updated", trigger, moment, session=session, state=state)


def ended(version: str, *, moment: Moment, session: Session, reason: str) -> Call:
    """StopTransaction, or TransactionEvent Ended."""
    if version == VERSION_16:
        words: dict[str, object] = {
            "meter_stop": round(moment.energy_wh),
            "timestamp": moment.stamp,
            "reason": reason,
        }
        return Call(action="StopTransaction", words=words, kept=True, local_id=session.local_id)
    call = _event("Ended", "EVCommunicationLost", moment, session=session, state="Idle")
    info = call.words["transaction_info"]
    assert isinstance(info, dict), "it was made so"
    return replace(
        call, words={**call.words, "transaction_info": {**info, "stopped_reason": reason}}
    )


def _event(kind: str, trigger: str, moment: Moment, *, session: Session, state: str) -> Call:
    """TransactionEvent; its sequence number is given when it is queued."""
    words: dict[str, object] = {
        "event_type": kind,
        "timestamp": moment.stamp,
        "trigger_reason": trigger,
        "transaction_info": {"transaction_id": session.local_id, "charging_state": state},
    }
    if moment.meter_value:
        words["meter_value"] = moment.meter_value
    return Call(action="TransactionEvent", words=words, kept=True, local_id=session.local_id)
