"""``python -m edge_agent.watchdog --state DIR``: releases devices when the agent falls silent.

The smallest process that can do it: no asyncio, no numpy, no configuration file.
"""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.watchdog.lock import take_lock
from edge_agent.watchdog.loop import Clocks, WatchdogLoop
from edge_agent.watchdog.watch import TIMEOUT_S, Watch


def main() -> int:
    """Watch until the agent stops cleanly or SIGTERM comes.

    Returns
    -------
    int
        0, also when another watchdog already watches this folder; 2 for a wrong folder.
    """
    parser = argparse.ArgumentParser(prog="python -m edge_agent.watchdog", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder shared with the agent")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="silence allowed, s")
    arguments = parser.parse_args()
    if not arguments.state.is_dir():
        sys.stderr.write(f"watchdog: --state: {arguments.state} is not a folder\n")
        return 2
    if not arguments.timeout > 0.0:
        sys.stderr.write(f"watchdog: --timeout: {arguments.timeout} is not above 0 s\n")
        return 2
    lock = take_lock(arguments.state)
    if lock is None:
        return 0
    clocks = Clocks(monotonic_s=time.monotonic, now=lambda: datetime.now(UTC), sleep=time.sleep)
    loop = WatchdogLoop(arguments.state, Watch(timeout_s=arguments.timeout), clocks)
    signal.signal(signal.SIGTERM, lambda _number, _frame: loop.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.run()
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
