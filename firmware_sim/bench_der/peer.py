"""openleadr's VTN, as its own documentation sets one up, for comparison in the same run.

It runs in an environment of its own (``.peers/der``), in a process of its own; nothing of it is
imported here.
"""

from pathlib import Path
from typing import Final

PYTHON: Final = Path(".peers/der/bin/python")
PROGRAM: Final = """
import asyncio, json, logging, sys
from datetime import timedelta
from openleadr import OpenADRServer

logging.disable(logging.WARNING)
settings = json.loads(sys.argv[1])
vens = {}


async def registered(info):
    name = info["ven_name"]
    vens[name] = {
        "ven_id": name,
        "ven_name": name,
        "registration_id": "registration-" + name,
        "fingerprint": info.get("fingerprint"),
    }
    return name, vens[name]["registration_id"]


async def main():
    secure = {}
    if settings.get("cert"):
        secure = {
            "cert": settings["cert"],
            "key": settings["key"],
            "http_cert": settings["cert"],
            "http_key": settings["key"],
            "http_ca_file": settings["ca"],
            "show_server_cert_domain": False,
        }
    server = OpenADRServer(
        vtn_id="PeerVtn",
        http_host=settings["host"],
        http_port=settings["port"],
        requested_poll_freq=timedelta(seconds=10),
        ven_lookup=lambda ven_id: vens.get(ven_id),
        show_fingerprint=False,
        **secure,
    )
    server.add_handler("on_create_party_registration", registered)
    await server.run_async()
    print(json.dumps({"event": "peer.ready"}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
"""


def peer_python() -> Path | None:
    """Interpreter of openleadr's environment, if it is there: below here, or beside our source."""
    for base in (Path.cwd(), Path(__file__).resolve().parents[2]):
        python = base / PYTHON
        if python.is_file() and any(
            (base / ".peers/der").glob("lib/python3*/site-packages/openleadr/__init__.py")
        ):
            return python
    return None
