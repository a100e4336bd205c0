"""What the watchdog did while the agent was away, taken once by the agent's next life."""

import json
from pathlib import Path
from typing import Final, cast

from edge_agent.watchdog.loop import REPORT_FILE
from protocols.link.messages import Plain

TAKEN_FILE: Final = "watchdog.taken.json"


def take_report(state_dir: Path) -> dict[str, Plain] | None:
    """Read the watchdog's report and put it aside, so that it is told once.

    Returns
    -------
    dict or None
        The report; None if there is none, or if it cannot be read.
    """
    path = state_dir / REPORT_FILE
    try:
        document = json.loads(path.read_bytes())
        path.replace(state_dir / TAKEN_FILE)
    except (OSError, ValueError):
        return None
    return cast("dict[str, Plain]", document) if isinstance(document, dict) else None
