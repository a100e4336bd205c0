"""Meeting a charger: it has called us, has started, and is told what to measure and how often."""

from collections.abc import Mapping
from typing import Final

import structlog
from websockets.frames import CloseCode

from edge_agent.drivers.ocpp.charger import Charger
from edge_agent.drivers.port import FoundDevice
from protocols.ocpp.settings import (
    Setting,
    read_words,
    settings_of,
    taken,
    told_values,
    write_words,
)
from protocols.ocpp.words import text_of
from protocols.vocabulary.errors import DeviceRefusedError

CALL_S: Final = 2.0
"""How long a charger is given to call when the gateway starts."""
BOOT_S: Final = 1.0
"""How long a charger that connects is given to say by itself that it has started."""
REFUSED_NS: Final = 10_000_000_000
"""Pause before a message is asked for again that it would not send."""
CLOCK_S_MAX: Final = 60.0
"""A charger's clock may be this far off; a profile's start is written in it."""

log = structlog.get_logger(__name__)


class ChargerContact:
    """Who and where a charger is.

    Parameters
    ----------
    charger : Charger
        The charger.
    """

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self._told_clock = False

    async def meet(self) -> bool:
        """Let it start, tell it what to measure, and hear its status.

        Returns
        -------
        bool
            True: a charger is known by the id it calls with, so no other can answer.

        Raises
        ------
        DeviceTimeoutError
            If it is not connected or does not answer.
        """
        charger = self._charger
        if charger.link is None and not charger.met:
            await charger.news(CALL_S, after=charger.said)
        link = charger.linked()
        if charger.booted_on is not link:
            await charger.news(BOOT_S, after=charger.said)
        said = charger.said
        if charger.booted_on is not link and await self.trigger("BootNotification"):
            await charger.news(BOOT_S, after=said)
        await self._configure()
        await self.trigger("StatusNotification")
        charger.met = True
        return True

    async def lose(self) -> None:
        """Cut the connection on which it did not answer; it will call again."""
        link, self._charger.suspect = self._charger.suspect, None
        if link is not None and link is self._charger.link:
            self._charger.detach(link)
            await link.close(CloseCode.GOING_AWAY, "no answer")

    def go_to(self, address: str) -> None:
        """Take note of an address; it calls us, so this is for people."""
        self._charger.address = address

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""
        charger = self._charger
        return FoundDevice(
            address=charger.address,
            unit=charger.identity,
            identity=charger.identity,
            device_id=charger.config.device_id,
            about=charger.nameplate.about,
        )

    async def trigger(self, message: str) -> bool:
        """Ask it to send a message; False if it will not.

        Raises
        ------
        DeviceTimeoutError
            If it does not answer.
        """
        charger = self._charger
        now_ns = charger.clock.monotonic_ns()
        if not charger.wire.trigger or charger.refused_until_ns.get(message, 0) > now_ns:
            return False
        try:
            answer = await charger.ask("TriggerMessage", {"requested_message": message})
            sends = text_of(answer, "status") == "Accepted"
        except DeviceRefusedError:
            sends = False
        if not sends:
            charger.refused_until_ns[message] = now_ns + REFUSED_NS
        return sends

    async def check_clock(self) -> None:
        """Let a charger whose clock is far off ask us for the time."""
        offset_s = self._charger.clock_offset_s
        wrong = abs(offset_s) > CLOCK_S_MAX
        if wrong and not self._told_clock:
            log.warning(
                "charger.clock_wrong",
                resource_id=self._charger.resource_id,
                offset_s=round(offset_s),
            )
        self._told_clock = wrong
        if wrong:
            await self.trigger("Heartbeat")

    async def _configure(self) -> None:
        """Set what it measures and how often, where it has other values."""
        wire = self._charger.wire
        wanted = settings_of(
            wire.version,
            measurands=wire.measurands,
            sample_s=None if wire.sample_fixed else wire.sample_s,
            aligned_s=wire.aligned_s or None,
        )
        if not wanted:
            return
        try:
            action, words = read_words(wire.version, wanted)
            told = told_values(wire.version, wanted, await self._charger.ask(action, words))
        except DeviceRefusedError:
            return
        changed = [one for one in wanted if one in told and told[one] != one.value]
        for setting in changed:
            await self._set(setting, told)

    async def _set(self, setting: Setting, told: Mapping[Setting, str]) -> None:
        action, words = write_words(self._charger.wire.version, setting)
        try:
            answer = await self._charger.ask(action, words)
            refused = "" if taken(self._charger.wire.version, answer) else str(dict(answer))
        except DeviceRefusedError as error:
            refused = str(error)
        if refused:
            log.info(
                "charger.setting_refused",
                resource_id=self._charger.resource_id,
                setting=setting.name,
                has=told[setting],
                wanted=setting.value,
                cause=refused[:120],
            )
