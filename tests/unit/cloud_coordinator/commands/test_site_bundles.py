"""``vpp sites bundles``: many gateways enrolled from one folder."""

from pathlib import Path

import pytest

from cloud_coordinator.commands.sites import app
from cloud_coordinator.gateway.authority.authority import make_authority
from cloud_coordinator.process import SystemClock
from edge_agent.identity.files import IdentityFiles
from edge_agent.identity.stick import take_answer, write_request
from protocols.vocabulary.errors import ConfigError

PASSPHRASE = "correct horse battery"


def run(folder: Path, stick: Path) -> None:
    """Answer what lies on the stick."""
    words = ["bundles", str(stick), "--zone", "tokyo", "--broker", "mqtts://b:8883"]
    words += ["--identity", str(folder / "authority"), "--data-dir", str(folder / "data")]
    app(words, standalone_mode=False)


def test_each_gateway_gets_its_own_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, a bench of gateways cannot be enrolled at once, or they are mixed up."""
    monkeypatch.setenv("VPP_AUTHORITY_PASSPHRASE", PASSPHRASE)
    authority = make_authority(
        tmp_path / "authority",
        PASSPHRASE.encode(),
        name="test",
        names=["localhost"],
        at=SystemClock().now(),
    )
    stick = tmp_path / "stick"
    with pytest.raises(ConfigError, match="holds 0 requests"):
        run(tmp_path, stick)
    gateways = {name: IdentityFiles(folder=tmp_path / "boxes" / name) for name in ("one", "two")}
    for name, files in gateways.items():
        (stick / name).mkdir(parents=True)
        write_request(files, stick / name)
    for _ in range(2):  # run again, it gives the same gateways another certificate
        run(tmp_path, stick)
    for name, files in gateways.items():
        facts = take_answer(files, stick / name, pin=authority.pin)
        assert (facts.site_id, facts.zone, facts.brokers) == (name, "tokyo", ("mqtts://b:8883",))
        assert files.complete
