"""Requests to BACnet devices over the gateway's own device: the border to bacpypes3.

Whatever the library raises ends here, above all :class:`ErrorRejectAbortNack`, which is no
Exception: it becomes a DeviceError. A request whose answer the library could not decode, or
lost, ends by our own time-out. An answer is only taken for what was asked: object and property
are compared, and each device has its own run of invoke ids, so that an answer that comes a
whole round late is not taken for a new one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bacpypes3.apdu import (
    AbortPDU,
    ErrorPDU,
    ErrorRejectAbortNack,
    ReadPropertyACK,
    ReadPropertyMultipleACK,
    ReadPropertyMultipleRequest,
    ReadPropertyRequest,
    RejectPDU,
    SimpleAckPDU,
    SubscribeCOVRequest,
    WhoIsRequest,
    WritePropertyRequest,
)
from bacpypes3.basetypes import PropertyIdentifier, PropertyReference, ReadAccessSpecification
from bacpypes3.ipv4.bvll import OriginalUnicastNPDU
from bacpypes3.npdu import NPDU
from bacpypes3.pdu import Address, LocalBroadcast
from bacpypes3.primitivedata import ObjectIdentifier

from edge_agent.drivers.bacnet.application import (
    APDU_RETRIES,
    APDU_TIMEOUT_MS,
    GatewayApplication,
    Untyped,
)
from edge_agent.drivers.bacnet.values import Value, encoded, plain
from protocols.bacnet.objects import ObjectId, Property
from protocols.vocabulary.errors import (
    DeviceError,
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)

GUARD_S: Final = APDU_TIMEOUT_MS / 1000.0 * (1 + APDU_RETRIES) + 0.5
"""No request takes longer, whatever becomes of its answer inside the library."""
INVOKE_IDS: Final = 256
_TIMEOUT_REASONS: Final = frozenset({10, 64, 65})
_TOO_LONG_REASONS: Final = frozenset({1, 4, 9, 11})
_UNRECOGNIZED_SERVICE: Final = 9
_NETWORK_VERSION: Final = 1
_MAX_APDU_1476: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """One property of one object."""

    object_id: ObjectId
    prop: Property


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a device does not tell a property, such as ``"unknown-object"``."""

    cause: str


Answer = Value | Refusal


@dataclass(frozen=True, slots=True)
class Subscription:
    """An object to be told of, under our own number, for some time."""

    object_id: ObjectId
    process_id: int
    lifetime_s: int


class AnswerTooLongError(DeviceError):
    """The answer does not fit into what both sides can carry; less must be asked for."""


class Stack:
    """Requests and answers.

    Parameters
    ----------
    application : GatewayApplication
        The gateway's own device.
    first_invoke_id : int
        Where the run of each device begins, 0..255; another one in each life, so that an
        answer to an earlier life is hardly taken for ours.
    """

    def __init__(self, application: GatewayApplication, *, first_invoke_id: int) -> None:
        self._application = application
        self._first_invoke_id = first_invoke_id
        self._invoke_ids: dict[str, int] = {}

    async def read(self, node: str, asked: Sequence[Asked]) -> dict[Asked, Answer]:
        """Read several properties in one request (ReadPropertyMultiple).

        Returns
        -------
        dict of Asked to Answer
            Only what was asked for; what the device left out is missing.

        Raises
        ------
        DeviceTimeoutError, DeviceRefusedError, RemoteProtocolError
            If there is no such answer.
        DeviceUnsupportedError
            If the device does not know the service.
        AnswerTooLongError
            If the answer would be too long.
        """
        by_object: dict[ObjectId, list[Asked]] = {}
        for entry in asked:
            by_object.setdefault(entry.object_id, []).append(entry)
        request = ReadPropertyMultipleRequest(
            listOfReadAccessSpecs=[
                ReadAccessSpecification(
                    objectIdentifier=_object(object_id),
                    listOfPropertyReferences=[
                        PropertyReference(propertyIdentifier=PropertyIdentifier(int(entry.prop)))
                        for entry in entries
                    ],
                )
                for object_id, entries in by_object.items()
            ],
            destination=Address(node),
        )
        answer = await self._ask(node, request)
        if not isinstance(answer, ReadPropertyMultipleACK):
            raise RemoteProtocolError(f"{node}: answered {type(answer).__name__} to a read")
        wanted = {(e.object_id.number, e.object_id.instance, int(e.prop)): e for e in asked}
        return _results(answer, wanted)

    async def read_one(self, node: str, asked: Asked) -> Answer:
        """Read one property; raises as :meth:`read`, but a refusal is an answer."""
        request = ReadPropertyRequest(
            objectIdentifier=_object(asked.object_id),
            propertyIdentifier=PropertyIdentifier(int(asked.prop)),
            destination=Address(node),
        )
        try:
            answer = await self._ask(node, request)
        except DeviceRefusedError as error:
            return Refusal(str(error))
        if not isinstance(answer, ReadPropertyACK):
            raise RemoteProtocolError(f"{node}: answered {type(answer).__name__} to a read")
        about = answer.objectIdentifier
        any_device = asked.prop is Property.OBJECT_IDENTIFIER
        if int(answer.propertyIdentifier) != int(asked.prop) or not (
            any_device or _same_object(about, asked.object_id)
        ):
            raise RemoteProtocolError(f"{node}: answered about something else than was asked")
        return plain(answer.propertyValue)

    async def write(
        self, node: str, object_id: ObjectId, *, value: float | None, priority: int
    ) -> None:
        """Command an object at a priority; None relinquishes. Raises as :meth:`read`."""
        request = _write_request(object_id, value=value, priority=priority, node=node)
        answer = await self._ask(node, request)
        if not isinstance(answer, SimpleAckPDU):
            raise RemoteProtocolError(f"{node}: answered {type(answer).__name__} to a write")

    async def subscribe(self, node: str, subscription: Subscription) -> None:
        """Subscribe to, or renew, changes of an object; raises as :meth:`read`."""
        request = SubscribeCOVRequest(
            subscriberProcessIdentifier=subscription.process_id,
            monitoredObjectIdentifier=_object(subscription.object_id),
            issueConfirmedNotifications=False,
            lifetime=subscription.lifetime_s,
            destination=Address(node),
        )
        await self._ask(node, request)

    async def unsubscribe(self, node: str, subscription: Subscription) -> None:
        """End a subscription; raises as :meth:`read`."""
        request = SubscribeCOVRequest(
            subscriberProcessIdentifier=subscription.process_id,
            monitoredObjectIdentifier=_object(subscription.object_id),
            destination=Address(node),
        )
        await self._ask(node, request)

    def who_is(self, node: str | None, *, instances: tuple[int, int] | None = None) -> None:
        """Ask one node, or with None the network, who is there; answers are announcements."""
        destination = LocalBroadcast() if node is None else Address(node)
        request = WhoIsRequest(destination=destination)
        if instances is not None:
            request.deviceInstanceRangeLowLimit = instances[0]
            request.deviceInstanceRangeHighLimit = instances[1]
        self._application.request(request)

    def close(self) -> None:
        """Let go of the port."""
        self._application.close()

    async def _ask(self, node: str, request: Untyped) -> Untyped:
        """Send a confirmed request and wait: the one border to the library's errors."""
        request.apduInvokeID = self._next_invoke_id(node)
        try:
            async with asyncio.timeout(GUARD_S):
                return await self._application.request(request)
        except TimeoutError:
            raise DeviceTimeoutError(f"{node}: no answer that could be read") from None
        except ErrorRejectAbortNack as nack:
            raise _error_of(node, nack) from None
        except (ValueError, TypeError, AttributeError, OSError, RuntimeError) as bug:
            raise RemoteProtocolError(f"{node}: {type(bug).__name__}: {bug}") from bug

    def _next_invoke_id(self, node: str) -> int:
        invoke_id = self._invoke_ids.get(node, self._first_invoke_id)
        self._invoke_ids[node] = (invoke_id + 1) % INVOKE_IDS
        return invoke_id


def write_frame(object_id: ObjectId, *, value: float | None, priority: int) -> bytes:
    """Whole BVLC, NPDU and APDU of a WriteProperty with invoke id 0, for the watchdog.

    Parameters
    ----------
    object_id : ObjectId
        The commanded object.
    value : float or None
        presentValue; None is Null, which relinquishes.
    priority : int
        Ours.
    """
    request = _write_request(object_id, value=value, priority=priority, node="127.0.0.1:47808")
    request.apduInvokeID = 0
    apdu = request.encode()
    apdu.apduSeg = apdu.apduMor = apdu.apduSA = False
    apdu.apduMaxSegs = 0
    apdu.apduMaxResp = _MAX_APDU_1476
    network = NPDU(apdu.encode().pduData)
    network.npduVersion = _NETWORK_VERSION
    network.npduControl = 0
    network.pduExpectingReply = True
    return bytes(OriginalUnicastNPDU(network.encode()).encode().pduData)


def _write_request(
    object_id: ObjectId, *, value: float | None, priority: int, node: str
) -> WritePropertyRequest:
    return WritePropertyRequest(
        objectIdentifier=_object(object_id),
        propertyIdentifier=PropertyIdentifier(int(Property.PRESENT_VALUE)),
        propertyValue=encoded(value, object_id.facts.datatype),
        priority=priority,
        destination=Address(node),
    )


def _object(object_id: ObjectId) -> ObjectIdentifier:
    return ObjectIdentifier((object_id.number, object_id.instance))


def _same_object(about: Untyped, object_id: ObjectId) -> bool:
    return (int(about[0]), int(about[1])) == (object_id.number, object_id.instance)


def _results(
    answer: ReadPropertyMultipleACK, wanted: dict[tuple[int, int, int], Asked]
) -> dict[Asked, Answer]:
    found: dict[Asked, Answer] = {}
    for entry in answer.listOfReadAccessResults or ():
        about = entry.objectIdentifier
        for result in entry.listOfResults or ():
            key = (int(about[0]), int(about[1]), int(result.propertyIdentifier))
            asked = wanted.get(key)
            if asked is None or result.propertyArrayIndex is not None:
                continue
            choice = result.readResult
            if choice.propertyValue is not None:
                found[asked] = plain(choice.propertyValue)
            elif choice.propertyAccessError is not None:
                found[asked] = Refusal(str(choice.propertyAccessError.errorCode))
    return found


def _error_of(node: str, nack: ErrorRejectAbortNack) -> DeviceError:
    """Say what a negative answer means to us."""
    if isinstance(nack, ErrorPDU):
        return DeviceRefusedError(str(nack.errorCode))
    if isinstance(nack, AbortPDU):
        return _abort_error(node, int(nack.apduAbortRejectReason))
    if isinstance(nack, RejectPDU) and int(nack.apduAbortRejectReason) == _UNRECOGNIZED_SERVICE:
        return DeviceUnsupportedError("unrecognized-service")
    return DeviceRefusedError(f"rejected: {nack}")


def _abort_error(node: str, reason: int) -> DeviceError:
    if reason in _TIMEOUT_REASONS:
        return DeviceTimeoutError(f"{node}: no answer")
    if reason in _TOO_LONG_REASONS:
        return AnswerTooLongError(f"{node}: the answer is too long")
    return DeviceRefusedError(f"aborted (reason {reason})")
