"""The watchdog's loop: look, decide, release, write down what was done.

Wiring of its parts with the clocks passed in; ``__main__`` passes the real ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.watchdog.errand import ReleaseResult
from edge_agent.watchdog.heartbeat import AgentState, read_beat
from edge_agent.watchdog.recipe import load_recipe, replace_file
from edge_agent.watchdog.release import release_all
from edge_agent.watchdog.watch import Action, Watch
from protocols.vocabulary.errors import ConfigError

REPORT_FILE: Final = "watchdog.json"
"""What the watchdog last did; the agent journals it when it is back."""
VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks of the process."""

    monotonic_s: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]


class WatchdogLoop:
    """Looks at one agent until it stops cleanly or :meth:`end` is called.

    Parameters
    ----------
    state_dir : Path
        Folder shared with the agent.
    watch : Watch
        The rule.
    clocks : Clocks
        Time.
    """

    def __init__(self, state_dir: Path, watch: Watch, clocks: Clocks) -> None:
        self._dir = state_dir
        self._watch = watch
        self._clocks = clocks
        self._ended = False
        self._releases = 0

    def end(self) -> None:
        """End at the next look; for a signal handler."""
        self._ended = True

    def run(self) -> None:
        """Watch until told to end."""
        before_s = self._clocks.monotonic_s()
        while not self._ended:
            self._clocks.sleep(self._watch.look_s)
            now_s = self._clocks.monotonic_s()
            action = self._watch.look(read_beat(self._dir), now_s - before_s)
            before_s = now_s
            if action is Action.END:
                self._release("clean stop", silent=self._stopped)
                return
            if action is Action.RELEASE:
                unconfirmed = self._release("silence", silent=self._silent())
                self._watch.released(unconfirmed=unconfirmed)
                before_s = self._clocks.monotonic_s()

    def _stopped(self) -> bool:
        beat = read_beat(self._dir)
        return not self._ended and beat is not None and beat.state is AgentState.STOPPED

    def _silent(self) -> Callable[[], bool]:
        """Make the question whether the heartbeat still stands where it stood."""
        stood = read_beat(self._dir)
        return lambda: not self._ended and read_beat(self._dir) == stood

    def _release(self, cause: str, *, silent: Callable[[], bool]) -> int:
        """Release what is leased, report it, and return how many did not confirm."""
        try:
            recipe = load_recipe(self._dir)
        except ConfigError as error:
            self._report(cause, bound="", results=[], trouble=str(error))
            return 0
        if recipe is None or not recipe.devices:
            return 0
        released = release_all(recipe, monotonic_s=self._clocks.monotonic_s, silent=silent)
        self._report(cause, bound=released.sent_from, results=released.results)
        return released.unconfirmed

    def _report(
        self, cause: str, *, bound: str, results: list[ReleaseResult], trouble: str = ""
    ) -> None:
        self._releases += 1
        document = {
            "version": VERSION,
            "cause": cause,
            "trouble": trouble,
            "release": self._releases,
            "finished_at": self._clocks.now().isoformat(),
            "silence_s": round(self._watch.silence_s, 3),
            "sent_from": bound,
            "devices": [
                {
                    "resource_id": result.leased.resource_id,
                    "address": result.leased.address,
                    "state": result.state.value,
                    "restores": result.leased.restores,
                    "detail": result.detail,
                }
                for result in results
            ],
        }
        replace_file(self._dir / REPORT_FILE, document)
