"""Start the watchdog as a process of its own, or find the one that already runs.

It runs in its own session, so neither Ctrl-C at the agent's terminal nor the agent's death
reaches it. Called by the agent only.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from edge_agent.watchdog.lock import running_pid
from edge_agent.watchdog.watch import TIMEOUT_S

LOG_FILE: Final = "watchdog.log"


class WatchdogProcess:
    """The agent's grip on its watchdog.

    Parameters
    ----------
    state_dir : Path
        Folder of heartbeat, recipe, lock and report; made if it is missing.
    timeout_s : float
        Silence after which devices are released, s, > 0.
    """

    def __init__(self, state_dir: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._dir = state_dir
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> bool:
        """Start a watchdog if none runs.

        Cheap; call it at start, before the heartbeat's first silence, and every few seconds.

        Returns
        -------
        bool
            True if one had to be started.
        """
        if self._child is not None and self._child.poll() is None:
            return False
        self._child = None
        if running_pid(self._dir) is not None:
            return False
        command = [
            sys.executable,
            "-m",
            "edge_agent.watchdog",
            "--state",
            str(self._dir),
            "--timeout",
            str(self._timeout_s),
        ]
        with (self._dir / LOG_FILE).open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return True

    def wait(self, timeout_s: float) -> bool:
        """Wait for the watchdog that was started here to end, as it does after a clean stop.

        Returns
        -------
        bool
            False if it still runs.
        """
        if self._child is None:
            return True
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def pid(self) -> int | None:
        """Process id of the watchdog, None while none runs."""
        return running_pid(self._dir)


def start_watchdog(state_dir: Path, *, timeout_s: float = TIMEOUT_S) -> WatchdogProcess:
    """Start the watchdog of a folder, or adopt the one that runs, and return the grip on it."""
    process = WatchdogProcess(state_dir, timeout_s=timeout_s)
    process.ensure()
    return process
