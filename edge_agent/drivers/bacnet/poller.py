"""Reads properties of one device in as few requests as it can answer."""

from collections.abc import Sequence

from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.stack import Answer, AnswerTooLongError, Asked, Refusal, Stack
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)


class Poller:
    """Asks one device; learns on the way how much it takes at a time.

    Parameters
    ----------
    device : BacnetDevice
        Whose batch size is found out.
    stack : Stack
        The wire.
    """

    def __init__(self, device: BacnetDevice, stack: Stack) -> None:
        self._device = device
        self._stack = stack

    async def read(self, asked: Sequence[Asked]) -> dict[Asked, Answer]:
        """Read properties; each gets an answer, be it a refusal.

        Raises
        ------
        DeviceTimeoutError
            If the device is silent.
        RemoteProtocolError
            If it answers something else.
        """
        found: dict[Asked, Answer] = {}
        rest = list(asked)
        while rest:
            batch = rest[: self._device.batch]
            try:
                found |= await self._some(batch)
            except AnswerTooLongError as error:
                if len(batch) > 1:
                    self._device.batch = len(batch) // 2
                    continue
                found[batch[0]] = Refusal(str(error))
            rest = rest[len(batch) :]
        return found

    async def _some(self, batch: Sequence[Asked]) -> dict[Asked, Answer]:
        if not self._device.single and len(batch) > 1:
            try:
                answers = await self._stack.read(self._device.node, batch)
            except DeviceUnsupportedError:
                self._device.single = True
            except (DeviceRefusedError, RemoteProtocolError):
                pass  # one property it does not like spoils the whole: ask one by one
            else:
                return {entry: answers.get(entry, Refusal("not answered")) for entry in batch}
        return {entry: await self._one(entry) for entry in batch}

    async def _one(self, asked: Asked) -> Answer:
        try:
            return await self._stack.read_one(self._device.node, asked)
        except DeviceUnsupportedError as error:
            return Refusal(str(error))
