"""The trail as a file that is checked on another machine: JSON lines, bodies as signed; pure."""

import json
from collections.abc import Iterable, Iterator, Sequence

from cloud_coordinator.audit.chain import Entry
from cloud_coordinator.audit.checkpoint import Checkpoint, read_checkpoint


def export_lines(
    entries: Iterable[Entry], checkpoints: Iterable[Checkpoint | None]
) -> Iterator[str]:
    """Write entries, then checkpoints; what cannot be read is written so that it is found."""
    for one in entries:
        body = one.body.decode(errors="replace")
        yield json.dumps(
            {"number": one.number, "digest": one.digest, "body": body}, ensure_ascii=False
        )
    for made in checkpoints:
        yield json.dumps({"checkpoint": None if made is None else json.loads(made.encode())})


def read_export(
    lines: Iterable[str],
) -> tuple[Sequence[Entry], Sequence[Checkpoint | None], str]:
    """Read what :func:`export_lines` wrote.

    Returns
    -------
    tuple
        Entries, checkpoints, and the first line that cannot be read; empty if there is none.
    """
    entries: list[Entry] = []
    checkpoints: list[Checkpoint | None] = []
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            if "checkpoint" in found:
                checkpoints.append(read_checkpoint(json.dumps(found["checkpoint"]).encode()))
                continue
            entries.append(
                Entry(
                    number=int(found["number"]),
                    body=str(found["body"]).encode(errors="replace"),
                    digest=str(found["digest"]),
                )
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return entries, checkpoints, f"line {number}: cannot be read"
    return entries, checkpoints, ""
