"""The codec is light: the watchdog runs it on a gateway whose agent just died."""

import subprocess
import sys

HEAVY = ("numpy", "asyncio", "socket", "structlog", "msgpack", "scipy")


def test_the_codec_needs_no_heavy_package() -> None:
    """The watchdog would start slowly, or not at all where the agent's packages are broken."""
    script = (
        "import sys\n"
        "from protocols.echonet_lite import frame, node, requester\n"
        "from protocols.echonet_lite.properties import lookup\n"
        "assert lookup(0x027D, 0xDA)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    assert found.stdout.strip() == "[]"
