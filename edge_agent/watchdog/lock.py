"""One watchdog per folder: a file lock that the kernel lets go of however a process ends."""

import fcntl
import os
from pathlib import Path
from typing import Final

LOCK_FILE: Final = "watchdog.lock"


def take_lock(state_dir: Path) -> int | None:
    """Take the lock and write our process id into it.

    Returns
    -------
    int or None
        The descriptor that holds the lock, to be kept open; None if another process has it.
    """
    descriptor = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def running_pid(state_dir: Path) -> int | None:
    """Process id of the watchdog of this folder, None if none runs."""
    try:
        descriptor = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
