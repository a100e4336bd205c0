"""py20305, a client that is not ours, follows our IEEE 2030.5 server over TLS 1.2 with CCM8."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.peers.ieee2030_5_bed import ServerProgram, wait_for

HOST = "127.30.21.1"
POLL_S = 10.0
"""The client polls no faster."""
FOLLOWED = '{"opModMaxLimW": 5000}'
CANCELLED = '{"opModTargetW": -1500.0}'
SUPERSEDED = '{"opModExpLimW": 1500.0}'
SUPERSEDING = '{"opModExpLimW": 500.0}'


@pytest.mark.peer("py20305")
@pytest.mark.slow
def test_a_client_registers_follows_answers_and_reports(
    peer: Callable[[str], str], tmp_path: Path
) -> None:
    """If it fails, a standard inverter cannot be commanded by our server, or is lost with it."""
    python = peer("py20305")
    server = ServerProgram(tmp_path, HOST)
    device = server.pki.device("inverter")
    config = {
        "server": {
            "url": f"https://{HOST}:{server.port}",
            "server_2018_compat": True,
        },
        "tls": {
            "client_cert": str(device.certificate),
            "client_key": str(device.key),
            "ca_cert": str(server.pki.serca),
        },
        "register_on_start": True,
        "telemetry": {"post_rate_seconds": 5},
        "devices": [{"type": "print_demo", "lfdi": device.lfdi}],
    }
    place = tmp_path / "client.yaml"
    place.write_text(json.dumps(config), encoding="utf-8")  # YAML reads JSON
    server.start()
    with (tmp_path / "client.log").open("w") as log:
        client = subprocess.Popen(
            [python, "-m", "py20305", "--config", str(place)],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        _follow(server, {"lfdi": device.lfdi})
    finally:
        client.terminate()
        client.wait(20.0)
    assert server.stop() == 0
    applied = (tmp_path / "client.log").read_text()
    for wanted in ("'p_lim_w': 50.0", "'watts': -1500", "'exp_lim_w': 1500", "'exp_lim_w': 500"):
        assert wanted in applied
    assert '"cipher": "ECDHE-ECDSA-AES128-CCM8"' in server.errors.read_text()


def _follow(server: ServerProgram, client: dict[str, object]) -> None:
    wait_for(
        lambda: bool(server.facts("reading.received")),
        what="registration, capability and first readings",
        timeout_s=30.0,
    )
    kinds = {fact["kind"] for fact in server.facts("resource.received")}
    assert kinds >= {"DERCapability", "DERSettings", "DERStatus", "DERAvailability"}
    later = {"status": "scheduled", "start_offset_seconds": 11, "duration_seconds": 6}
    now = {"status": "active", "duration_seconds": 600}
    server.instruct("create-der-control", client, opModMaxLimW=5000, **later)
    server.instruct("create-der-control", client, opModExpLimW=1500, **now)
    server.instruct("create-der-control", client, opModTargetW=-1500, **now)
    wait_for(
        lambda: [1, 2] in server.statuses().values() and len(server.statuses()) == 3,
        what="received and started",
        timeout_s=3 * POLL_S,
    )
    server.kill()
    server.start()
    server.instruct("clear-der-controls", client)  # the one issued last
    server.instruct("create-der-control", client, opModExpLimW=500, **now)
    ends = {FOLLOWED: [1, 2, 3], CANCELLED: [1, 2, 6], SUPERSEDED: [1, 2, 7], SUPERSEDING: [1, 2]}
    wait_for(lambda: server.statuses() == ends, what=f"{ends}, not others", timeout_s=4 * POLL_S)
    so_far = len(server.facts("reading.received"))
    wait_for(
        lambda: len(server.facts("reading.received")) > so_far,
        what="readings after the restart",
        timeout_s=2 * POLL_S,
    )
    assert len({fact["device"] for fact in server.facts("device.stored")}) == 1
