"""The site's agent as a process of its own, run for a test and heard as far as its link goes.

It stops as its standard input ends: no test may outlive who began it.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import ConfigError

STOP_S: Final = 15.0
LINE_BYTES_MAX: Final = 1 << 20
_RUN: Final = """
import os, signal, sys, threading
from edge_agent.main import main
def end_with_parent():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=end_with_parent, daemon=True).start()
raise SystemExit(main())
"""


class TrialAgent:
    """The running agent, as far as it tells of its link."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._is_live = False
        self._is_connected = False
        self._changed = asyncio.Event()
        self.said = "it said nothing"

    async def until_live(self, most_s: float) -> bool:
        """Wait until the coordinator answers; False if it does not in time."""
        try:
            async with asyncio.timeout(most_s):
                while not (self._is_live and self._is_connected):
                    if self._process.returncode is not None:
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def listen(self) -> None:
        """Read what it logs until it ends."""
        assert self._process.stderr is not None, "started with a pipe"
        async for line in self._process.stderr:
            try:
                said = json.loads(line)
            except ValueError:
                self.said = line.decode(errors="replace").strip()[:200]
                continue
            event = said.get("event") if isinstance(said, dict) else None
            if event in {"link.live", "link.silent"}:
                self._is_live = event == "link.live"
            elif event in {"link.connected", "link.lost"}:
                self._is_connected = event == "link.connected"
                self.said = str(said.get("cause", ""))[:200] or self.said
            self._changed.set()
        self._changed.set()


@asynccontextmanager
async def trial_agent(path: Path) -> AsyncIterator[TrialAgent]:
    """Run the site's agent, and stop it as the service manager would."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _RUN,
            "run",
            "--config",
            str(path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
        )
    except OSError as error:
        raise ConfigError(f"the agent cannot be started: {error.strerror or error}") from None
    agent = TrialAgent(process)
    listening = asyncio.create_task(agent.listen())
    try:
        yield agent
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()  # the watchdog gives back what it had leased
            await process.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
