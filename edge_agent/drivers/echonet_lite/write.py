"""Carry out one planned Set on one device and read it back.

The rules that keep a control action honest: a positive answer (71) only means "received", a
refusal (51) only means "not fully done", silence means nothing at all. What counts is what
the device says when it is asked again. A Set is never repeated before that.
"""

import asyncio
import enum
from collections.abc import Callable
from typing import Final

from edge_agent.drivers.echonet_lite.commands import WritePlan
from edge_agent.drivers.echonet_lite.device import Device
from edge_agent.drivers.echonet_lite.exchange import Exchange
from edge_agent.drivers.echonet_lite.facts import (
    REMOTE_EPC,
)
from edge_agent.drivers.echonet_lite.reading import DeviceReader
from edge_agent.drivers.echonet_lite.values import decode
from edge_agent.drivers.field_device import Carried
from edge_agent.drivers.port import WriteState
from protocols.echonet_lite.frame import Property
from protocols.echonet_lite.properties import lookup
from protocols.vocabulary.errors import DeviceTimeoutError

SETTLE_S: Final = 0.3
"""Pause before a setting that reads back differently is read once more."""
ATTEMPTS: Final = 2
POWER_TOLERANCE_RATIO: Final = 0.01
POWER_TOLERANCE_W: Final = 10.0
"""A device may round the power it was given by this much, whichever is greater."""


class _Sent(enum.Enum):
    """How sending the frames went."""

    TAKEN = "taken"
    REFUSED = "refused"
    SILENT = "silent"
    SUPERSEDED = "superseded"


class DeviceWriter:
    """Writes to one device.

    Parameters
    ----------
    device : Device
        Whose settings change.
    exchange : Exchange
        The wire.
    reader : DeviceReader
        For reading back.
    """

    def __init__(self, device: Device, exchange: Exchange, reader: DeviceReader) -> None:
        self._device = device
        self._exchange = exchange
        self._reader = reader

    async def carry_out(self, plan: WritePlan, superseded: Callable[[], bool]) -> Carried:
        """Send, read back, and judge.

        Parameters
        ----------
        plan : WritePlan
            What to set and what to expect.
        superseded : callable
            Whether a newer setpoint waits; asked before each frame.

        Returns
        -------
        Carried
            DONE only if the device read back as planned.
        """
        batch = self._device.set_batch
        carried = Carried(state=WriteState.TIMEOUT, detail="not sent")
        for _ in range(ATTEMPTS):
            sent, refused = await self._send(plan, batch, superseded)
            if sent is _Sent.SUPERSEDED:
                return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint waits")
            carried = await self._judge(plan, sent, refused)
            if carried.state is WriteState.DONE:
                self._device.set_batch = batch
                self._device.remote_due = False
                if plan.restores:
                    self._device.originals.clear()
                return carried
            if sent is _Sent.REFUSED and batch > 1 and len(plan.steps) > 1:
                batch = 1  # perhaps it takes them one by one, and then it names the one it won't
            elif sent is not _Sent.SILENT or carried.state is WriteState.TIMEOUT:
                break
        if carried.state is WriteState.REFUSED:
            self._device.remote_due = True
        return carried

    def in_force(self, plan: WritePlan) -> bool:
        """Whether the device's last answers agree with a plan."""
        return all(self._agrees(entry) for entry in plan.expected)

    async def _send(
        self, plan: WritePlan, batch: int, superseded: Callable[[], bool]
    ) -> tuple[_Sent, str]:
        for start in range(0, len(plan.steps), batch):
            if superseded():
                return _Sent.SUPERSEDED, ""
            steps = plan.steps[start : start + batch]
            try:
                pace = self._device.manners.pace
                reply = await self._exchange.set_c(self._device.peer, steps, pace=pace)
            except DeviceTimeoutError:
                return _Sent.SILENT, ""
            if reply.answered.done:
                continue
            if len(steps) == 1 and await self._harmless(steps[0]):
                continue
            named = reply.answered.refused or frozenset(step.epc for step in steps)
            return _Sent.REFUSED, " ".join(f"{epc:02X}" for epc in sorted(named))
        return _Sent.TAKEN, ""

    async def _harmless(self, step: Property) -> bool:
        """Whether a refusal changes nothing: remote control, or a value it has already."""
        if step.epc == REMOTE_EPC:
            return True
        try:
            await self._reader.fetch([step.epc])
        except DeviceTimeoutError:
            return False
        return self._agrees(step)

    async def _judge(self, plan: WritePlan, sent: _Sent, refused: str) -> Carried:
        answered = await self._read_back(plan)
        if answered and self.in_force(plan):
            notes = {
                _Sent.TAKEN: "",
                _Sent.REFUSED: f" (answered SNA for {refused}, yet reads back as set)",
                _Sent.SILENT: " (answer lost, reads back as set)",
            }
            return Carried(state=WriteState.DONE, detail=plan.detail + notes[sent])
        if sent is _Sent.REFUSED:
            return Carried(state=WriteState.REFUSED, detail=f"{plan.detail}: SNA for {refused}")
        if not answered:
            state = WriteState.TIMEOUT if sent is _Sent.SILENT else WriteState.UNCONFIRMED
            return Carried(state=state, detail=f"{plan.detail}: no answer on reading back")
        if sent is _Sent.TAKEN:
            await asyncio.sleep(SETTLE_S)
            if await self._read_back(plan) and self.in_force(plan):
                return Carried(state=WriteState.DONE, detail=plan.detail)
        return Carried(
            state=WriteState.UNCONFIRMED, detail=f"{plan.detail}: reads back {self._found(plan)}"
        )

    async def _read_back(self, plan: WritePlan) -> bool:
        """Ask for the settings; False if the device does not tell what it was asked."""
        epcs = [entry.epc for entry in plan.expected]
        try:
            found = await self._reader.fetch(epcs)
        except DeviceTimeoutError:
            return False
        return bool(found) and set(self._reader.askable(epcs)) <= found

    def _agrees(self, wanted: Property) -> bool:
        if not self._reader.askable([wanted.epc]):
            return True  # the device does not let it be read; the others must speak for it
        entry = self._device.held.get(wanted.epc)
        if entry is None:
            return False
        if entry.edt == wanted.edt:
            return True
        spec = lookup(self._device.facts.class_code, wanted.epc)
        if spec is None or spec.unit != "W":
            return False
        found_w = decode(spec.class_code, spec.epc, entry.edt).as_float()
        wanted_w = decode(spec.class_code, spec.epc, wanted.edt).as_float()
        if found_w is None or wanted_w is None:
            return False
        tolerance_w = max(POWER_TOLERANCE_W, POWER_TOLERANCE_RATIO * abs(wanted_w))
        return abs(found_w - wanted_w) <= tolerance_w

    def _found(self, plan: WritePlan) -> str:
        held = self._device.held
        return " ".join(
            f"{entry.epc:02X}={held[entry.epc].edt.hex() if entry.epc in held else 'nothing'}"
            for entry in plan.expected
        )
