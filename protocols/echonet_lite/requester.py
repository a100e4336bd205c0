"""The asking side: transactions, one at a time per device, matched, timed and bounded.

Pure: frames and time in, datagrams and events out. The shell sends what
:meth:`Requester.take_datagrams` gives, hands in every frame that came, and calls
:meth:`Requester.on_deadline` at :meth:`Requester.next_deadline_ns`. Answers to other nodes'
requests are :mod:`protocols.echonet_lite.node`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.echonet_lite.frame import (
    NODE_PROFILE,
    TID_MAX,
    Eoj,
    Esv,
    Frame,
    Property,
    encode_frame,
)
from protocols.echonet_lite.transactions import (
    TIMEOUT_NS,
    Answered,
    Datagram,
    Discovered,
    Event,
    Notified,
    Peer,
    Request,
    TimedOut,
    Unmatched,
    get,
    set_c,
)
from protocols.vocabulary.errors import LocalProtocolError

__all__ = [
    "Answered",
    "Datagram",
    "Discovered",
    "Event",
    "Notified",
    "Peer",
    "Request",
    "Requester",
    "TimedOut",
    "Unmatched",
    "get",
    "set_c",
]

QUEUE_MAX: Final = 16
"""Requests one device may have waiting behind the outstanding one."""

DEVICES_MAX: Final = 4096
"""Devices with a request in flight; far below the 65535 transaction numbers."""

DISCOVERIES_MAX: Final = 8
"""Discoveries under way at the same time."""

GET_RETRIES: Final = 1

_EXPECTED: Final[Mapping[Esv, frozenset[Esv]]] = {
    Esv.GET: frozenset({Esv.GET_RES, Esv.GET_SNA}),
    Esv.SET_C: frozenset({Esv.SET_RES, Esv.SET_C_SNA, Esv.SET_I_SNA}),
    Esv.SET_I: frozenset({Esv.SET_I_SNA}),
    Esv.INF_REQ: frozenset({Esv.INF, Esv.INF_SNA}),
    Esv.SET_GET: frozenset({Esv.SET_GET_RES, Esv.SET_GET_SNA}),
    Esv.INFC: frozenset({Esv.INFC_RES}),
}
"""Some stacks refuse a SetC with the code of SetI: a refusal all the same."""

_READS: Final = frozenset({Esv.GET, Esv.INF_REQ})
_INSTANCE_LIST: Final = 0xD6


@dataclass(slots=True)
class _Transaction:
    """A request with its encoded frame, before and while it is outstanding."""

    request_id: int
    request: Request
    data: bytes
    attempts: int = 0
    tid: int = 0
    deadline_ns: int = 0


class Requester:
    """Transactions of one controller object with all its devices.

    Parameters
    ----------
    seoj : Eoj
        The controller object that asks.
    first_tid : int
        Where the transaction numbers begin, 1..65535. Draw it anew at each start, so that an
        answer to the last run's request matches nothing.
    """

    def __init__(self, seoj: Eoj, *, first_tid: int = 1) -> None:
        assert 1 <= first_tid <= TID_MAX, "a TID is 1..65535"
        self._seoj = seoj
        self._next_tid = first_tid
        self._next_id = 1
        self._pending: dict[int, _Transaction] = {}
        self._outstanding: dict[Peer, _Transaction] = {}
        self._queues: dict[Peer, deque[_Transaction]] = {}
        self._discoveries: dict[int, int] = {}
        self._datagrams: list[Datagram] = []
        self._events: list[Event] = []

    def submit(self, request: Request, now_ns: int) -> int:
        """Ask a device, at once or when the requests before this one are through.

        Parameters
        ----------
        request : Request
            What to ask.
        now_ns : int
            Monotonic time.

        Returns
        -------
        int
            Id that the event about it carries.

        Raises
        ------
        LocalProtocolError
            If the request cannot be encoded or is no request to one device, or the device's
            queue or the number of transactions is at its limit.
        """
        peer = request.peer
        if request.esv not in _EXPECTED or peer.eoj.instance == 0 or request.timeout_ns <= 0:
            raise LocalProtocolError(f"{request.esv.name} to {peer.eoj} is no request to a device")
        frame = Frame(0, self._seoj, peer.eoj, request.esv, request.properties, request.second)
        transaction = _Transaction(self._next_id, request, encode_frame(frame))
        self._check_room(peer)
        if request.not_after_ns is not None and now_ns > request.not_after_ns:
            raise LocalProtocolError(f"request to {peer.eoj} comes after its own not_after_ns")
        self._next_id += 1
        self._queues.setdefault(peer, deque()).append(transaction)
        if peer not in self._outstanding:
            self._start(peer, now_ns)
        return transaction.request_id

    def discover(self, now_ns: int, *, window_ns: int = TIMEOUT_NS) -> None:
        """Ask the group who is there; every answer within the window is a Discovered.

        Raises
        ------
        LocalProtocolError
            If too many discoveries are under way.
        """
        if len(self._discoveries) >= DISCOVERIES_MAX:
            raise LocalProtocolError(f"{DISCOVERIES_MAX} discoveries are under way")
        tid = self._allocate()
        self._discoveries[tid] = now_ns + window_ns
        frame = Frame(tid, self._seoj, NODE_PROFILE, Esv.GET, (Property(_INSTANCE_LIST),))
        self._datagrams.append(Datagram(None, encode_frame(frame)))

    def cancel(self, request_id: int, now_ns: int) -> bool:
        """Forget a request; False if it is over already. It may have been sent."""
        for queue in self._queues.values():
            for transaction in queue:
                if transaction.request_id == request_id:
                    queue.remove(transaction)
                    return True
        for transaction in list(self._pending.values()):
            if transaction.request_id == request_id:
                self._finish(transaction, now_ns)
                return True
        return False

    def receive(self, address: str, frame: Frame, now_ns: int) -> list[Event]:
        """Take a frame that came.

        Parameters
        ----------
        address : str
            Source IP address; the source port does not matter.
        frame : Frame
            Any frame. A request is the node side's and gives no event here.
        now_ns : int
            Monotonic time.

        Returns
        -------
        list of Event
            What it means; also the time-outs of queued requests it set free.

        Notes
        -----
        An answer belongs to a request if source address, SEOJ and TID are the request's and
        its ESV is one the request expects.
        """
        transaction = self._match(address, frame)
        if transaction is not None:
            self._events.append(_answered(transaction, frame))
            self._finish(transaction, now_ns)
        elif frame.esv in {Esv.INF, Esv.INFC}:
            peer = Peer(address, frame.seoj)
            self._events.append(Notified(peer=peer, esv=frame.esv, properties=frame.properties))
        elif not frame.esv.is_request:
            self._events.append(self._unasked(address, frame))
        return self._take_events()

    def next_deadline_ns(self) -> int | None:
        """Monotonic time of the next deadline, None if nothing is outstanding."""
        if self._events:
            return 0
        deadlines = [transaction.deadline_ns for transaction in self._pending.values()]
        deadlines += self._discoveries.values()
        return min(deadlines, default=None)

    def on_deadline(self, now_ns: int) -> list[Event]:
        """Repeat the Gets that may be repeated, give up the others, begin what waited."""
        self._discoveries = {
            tid: deadline for tid, deadline in self._discoveries.items() if deadline > now_ns
        }
        for transaction in list(self._pending.values()):
            if transaction.deadline_ns > now_ns:
                continue
            retries = GET_RETRIES if transaction.request.esv in _READS else 0
            not_after_ns = transaction.request.not_after_ns
            late = not_after_ns is not None and now_ns > not_after_ns
            if transaction.attempts <= retries and not late:
                del self._pending[transaction.tid]
                self._send(transaction, now_ns)
            else:
                self._events.append(_timed_out(transaction))
                self._finish(transaction, now_ns)
        return self._take_events()

    def take_datagrams(self) -> list[Datagram]:
        """Hand out what is to be sent now, in order."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def waiting(self, peer: Peer) -> int:
        """Count the requests to a device that are outstanding or queued."""
        return len(self._queues.get(peer, ())) + (peer in self._outstanding)

    def _check_room(self, peer: Peer) -> None:
        """Refuse a request that would pass a limit."""
        if len(self._queues.get(peer, ())) >= QUEUE_MAX:
            raise LocalProtocolError(f"{QUEUE_MAX} requests wait for {peer.eoj} already")
        if peer not in self._outstanding and len(self._outstanding) >= DEVICES_MAX:
            raise LocalProtocolError(f"{DEVICES_MAX} devices have a request in flight")

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _match(self, address: str, frame: Frame) -> _Transaction | None:
        transaction = self._pending.get(frame.tid)
        if transaction is None:
            return None
        request = transaction.request
        same_peer = request.peer == Peer(address, frame.seoj)
        return transaction if same_peer and frame.esv in _EXPECTED[request.esv] else None

    def _unasked(self, address: str, frame: Frame) -> Event:
        """Meaning of an answer that matches no request to a device."""
        profile = frame.seoj.class_code == NODE_PROFILE.class_code
        if frame.tid in self._discoveries and profile and frame.esv is Esv.GET_RES:
            for entry in frame.properties:
                if entry.epc == _INSTANCE_LIST and entry.edt:
                    return Discovered(address=address, instance_list=entry.edt)
        return Unmatched(address=address, frame=frame)

    def _allocate(self) -> int:
        """Take a transaction number that nothing waits for."""
        while self._next_tid in self._pending or self._next_tid in self._discoveries:
            self._next_tid = self._next_tid % TID_MAX + 1
        tid = self._next_tid
        self._next_tid = tid % TID_MAX + 1
        return tid

    def _start(self, peer: Peer, now_ns: int) -> None:
        """Send the first queued request that is still to be sent."""
        queue = self._queues[peer]
        while queue:
            transaction = queue.popleft()
            not_after_ns = transaction.request.not_after_ns
            if not_after_ns is None or now_ns <= not_after_ns:
                self._outstanding[peer] = transaction
                self._send(transaction, now_ns)
                return
            self._events.append(_timed_out(transaction))
        del self._queues[peer]

    def _send(self, transaction: _Transaction, now_ns: int) -> None:
        """Send a request under a fresh transaction number."""
        tid = self._allocate()
        transaction.tid = tid
        transaction.attempts += 1
        transaction.deadline_ns = now_ns + transaction.request.timeout_ns
        self._pending[tid] = transaction
        data = transaction.data[:2] + tid.to_bytes(2, "big") + transaction.data[4:]
        self._datagrams.append(Datagram(transaction.request.peer.address, data))

    def _finish(self, transaction: _Transaction, now_ns: int) -> None:
        """Forget an outstanding request and begin the next one of its device."""
        peer = transaction.request.peer
        del self._pending[transaction.tid]
        del self._outstanding[peer]
        self._start(peer, now_ns)


def _timed_out(transaction: _Transaction) -> TimedOut:
    return TimedOut(
        request_id=transaction.request_id,
        request=transaction.request,
        attempts=transaction.attempts,
    )


def _answered(transaction: _Transaction, frame: Frame) -> Answered:
    """Say what a matching answer tells about each EPC that was asked for."""
    request = transaction.request
    reads, got = request.second, frame.second
    writes, told = request.properties, frame.properties
    if request.esv in _READS:
        reads, got, writes, told = request.properties, frame.properties, (), ()
    wanted = {entry.epc for entry in reads}
    values = {entry.epc: entry.edt for entry in got if entry.edt and entry.epc in wanted}
    answered = {entry.epc: entry.edt for entry in told}
    written = {entry.epc for entry in writes}
    missing = frozenset((wanted - values.keys()) | (written - answered.keys()))
    refused = frozenset(epc for epc in written if answered.get(epc))
    return Answered(
        request_id=transaction.request_id,
        request=request,
        esv=frame.esv,
        done=not frame.esv.is_refusal and not missing,
        values=values,
        missing=missing,
        refused=refused,
    )
