"""The system operator of a run: posts the award, then a command at every step of the signal."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from firmware_sim.demo.board import Board
from firmware_sim.demo.coordinator_client import CoordinatorClient, RefusedError
from firmware_sim.demo.plan import PRICE_JPY_PER_KW_30MIN, TOLERANCE_SHARE, DemoPlan
from firmware_sim.demo.processes import ProgramError
from firmware_sim.demo.records import Command
from firmware_sim.demo.site_file import ZONE
from protocols.vocabulary.errors import LinkError

OBLIGATION_ID: Final = "demo-award"
SERVICE: Final = "secondary1"
LEAD_S: Final = 20
"""How long before its start the award is posted: sites offer and receipt meanwhile."""
COMMAND_TIMEOUT_S: Final = 1.0
_TRIES: Final = 5
_TRY_AGAIN_S: Final = 1.0


class SystemOperator:
    """One award and its commands.

    Parameters
    ----------
    plan : DemoPlan
        The signal.
    client : CoordinatorClient
        Where to.
    board : Board
        Is told.
    now_s : callable
        Unix time, s.
    """

    def __init__(
        self,
        plan: DemoPlan,
        client: CoordinatorClient,
        *,
        board: Board,
        now_s: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._client = client
        self._board = board
        self._now_s = now_s
        self.start_s = 0
        self.award_w = 0.0
        self.commands: list[Command] = []

    @property
    def tolerance_w(self) -> float:
        """Half width of the award's band, W."""
        return TOLERANCE_SHARE * self.award_w

    @property
    def end_s(self) -> int:
        """Unix second at which the award is over."""
        return self.start_s + self._plan.duration_s

    async def award(self, power_w: float) -> None:
        """Post the award.

        Raises
        ------
        ProgramError
            If the coordinator does not take it.
        """
        self.award_w = power_w
        self.start_s = int(self._now_s()) + LEAD_S
        body: dict[str, Any] = {
            "obligation_id": OBLIGATION_ID,
            "service": SERVICE,
            "zone": ZONE,
            "start": _iso(self.start_s),
            "end": _iso(self.end_s),
            "power_w": power_w,
            "tolerance_w": self.tolerance_w,
            "price_jpy_per_kw_30min": PRICE_JPY_PER_KW_30MIN,
        }
        for _ in range(_TRIES):
            try:
                await self._client.post("/api/v1/obligations", body)
            except RefusedError as error:
                raise ProgramError(f"the coordinator refuses the award: {error}") from None
            except LinkError:
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return
        raise ProgramError("the coordinator does not answer the award")

    async def command_all(self) -> None:
        """Post every command at its time; one that is not taken is not sent again.

        The next one follows a step later, as the operator's own system would do it.
        """
        for offset_s, power_w in self._plan.commands(self.award_w):
            issued_at_s = self.start_s + offset_s
            await asyncio.sleep(max(0.0, issued_at_s - self._now_s()))
            taken = await self._post(issued_at_s, power_w)
            if not taken and (not self.commands or self.commands[-1].taken):
                self._board.say("a command was not taken: the coordinator does not answer")
            self.commands.append(Command(issued_at_s=issued_at_s, power_w=power_w, taken=taken))

    async def _post(self, issued_at_s: float, power_w: float) -> bool:
        path = f"/api/v1/obligations/{OBLIGATION_ID}/commands"
        body = {"issued_at": _iso(issued_at_s), "power_w": power_w}
        try:
            await self._client.post(path, body, timeout_s=COMMAND_TIMEOUT_S)
        except RefusedError as error:
            self._board.say(f"a command was refused: {error}")
            return False
        except LinkError:
            return False
        return True


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, tz=UTC).isoformat().replace("+00:00", "Z")
