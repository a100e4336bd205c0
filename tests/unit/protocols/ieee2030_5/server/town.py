"""A server's role with a few clients, and the shell's part done by hand."""

from typing import TypeVar

from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.der import DERControlBase, DERControlList
from protocols.ieee2030_5.resources.devices import EndDevice
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.server import Outcome, Server
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.server.state import Control, Program
from protocols.ieee2030_5.units import encode_active_power
from protocols.ieee2030_5.xml import MEDIA_TYPE, Part, decode, encode
from protocols.sansio.http import HttpRequest, PeerIdentity

NOW = 1_800_000_000
ANNE, BERT, AGGREGATOR = (f"{digit}{'0' * 39}" for digit in "ABC")
MANAGED = "D" + "0" * 39

P = TypeVar("P", bound=Part)


class Town:
    """A server and what is stored of it."""

    def __init__(self, **settings: object) -> None:
        self._settings = ServerSettings(**settings)  # type: ignore[arg-type]
        self.stored: dict[str, bytes] = {}
        self.server = Server({}, settings=self._settings, drawn=b"seed of a server")

    def restart(self) -> None:
        """Know only what was stored."""
        self.keep()
        self.server = Server(self.stored, settings=self._settings, drawn=b"another seed....")

    def keep(self) -> None:
        """Store what has changed."""
        self._store(self.server.changes())

    def ask(
        self,
        method: str,
        path: str,
        *,
        who: str | None = ANNE,
        body: Part | bytes = b"",
        now: int = NOW,
        media: str = MEDIA_TYPE,
        accept: str = "",
        query: tuple[tuple[str, str], ...] = (),
    ) -> Outcome:
        """Ask something."""
        peer = None
        if who is not None:
            peer = PeerIdentity(lfdi=who, fingerprint="", certificate_sha256=b"")
        request = HttpRequest(
            method=method,
            path=path,
            query=query,
            content_type=media,
            accept=accept,
            body=encode(body) if isinstance(body, Part) else body,
            peer=peer,
        )
        outcome = self.server.answer(request, now)
        self._store(outcome.changes)
        return outcome

    def get(
        self, path: str, kind: type[P], *, who: str = ANNE, now: int = NOW, items: int = 255
    ) -> P:
        """Read a resource."""
        outcome = self.ask("GET", path, who=who, now=now, query=(("l", str(items)),))
        assert outcome.reply.status == 200, outcome.refused
        return decode(outcome.reply.body, kind)

    def status(self, method: str, path: str, **given: object) -> int:
        """Only the status of an answer."""
        return self.ask(method, path, **given).reply.status  # type: ignore[arg-type]

    def register(self, lfdi: str = ANNE, *, who: str | None = None) -> str:
        """Register a device; gives its address."""
        outcome = self.ask("POST", "/edev", who=who or lfdi, body=device(lfdi))
        assert outcome.reply.status == 201, outcome.refused
        return dict(outcome.reply.headers)["Location"]

    def program(self, lfdi: str = ANNE, *, primacy: int = 1) -> Program:
        """Find the program of a device."""
        found = self.server.devices.find(lfdi)
        assert found is not None
        return self.server.programs.own_program(found, primacy=primacy)

    def issue(
        self,
        program: Program,
        start: int,
        duration_s: int,
        *,
        export_w: float | None = 1_000.0,
        connect: bool | None = None,
        at: int = NOW,
    ) -> Control:
        """Issue a control that begins at NOW + start."""
        base = DERControlBase(
            op_mod_exp_lim_w=None if export_w is None else encode_active_power(export_w),
            op_mod_connect=connect,
        )
        order = ControlOrder(base=base, start=NOW + start, duration_s=duration_s)
        return self.server.programs.issue(program, order, now=at)

    def shown(self, program: Program, at: int, *, who: str = ANNE) -> dict[str, int]:
        """Status of each listed control of a program, by mRID, at NOW + at."""
        path = f"/derp/{program.number}/derc"
        found = self.get(path, DERControlList, who=who, now=NOW + at)
        return {c.mrid: c.event_status.current_status for c in found.der_control}

    def _store(self, changes: object) -> None:
        for change in changes:  # type: ignore[attr-defined]
            if change.value is None:
                self.stored.pop(change.key, None)
            else:
                self.stored[change.key] = change.value


def device(lfdi: str) -> EndDevice:
    """Say what a device says of itself when it registers."""
    return EndDevice(lfdi=lfdi, sfdi=sfdi_of_lfdi(lfdi), changed_time=NOW)
