"""The site file that provisioning writes for what it found."""

import tomllib
from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from edge_agent.drivers.port import FoundDevice
from edge_agent.identity.enrol import SiteFacts
from edge_agent.technician.proposal import SiteWishes, propose
from edge_agent.technician.site_file import with_brokers, write_proposal
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId

FACTS = SiteFacts(site_id=SiteId("site-1"), zone=ZoneId("kyushu"), brokers=("mqtts://b:8883",))
WISHES = SiteWishes(address="192.168.1.2")
NODE = "FE" + "00" * 16


def found(*units: str) -> list[FoundDevice]:
    """Nodes that answered, one object each."""
    return [
        FoundDevice(
            address=f"192.168.1.{10 + place}", unit=unit, identity=NODE, device_id="", about=""
        )
        for place, unit in enumerate(units)
    ]


def test_what_nobody_said_is_safe(tmp_path: Path) -> None:
    """If it fails, a new site exports what its contract forbids."""
    proposal = propose(found("028801", "027D01", "027901", "013001", "027D02"), WISHES, FACTS)
    site = write_proposal(tmp_path / "site.toml", proposal.text, FACTS, folder="identity")
    assert site.limits.export_limit_w == 0.0
    assert site.limits.contract_import_w == 3000.0
    assert site.tariff.export_jpy_per_kwh == 0.0
    assert proposal.device_ids == ("meter", "battery-1", "pv-1", "battery-2")
    assert len(proposal.left_out) == 1
    assert site.location.latitude < 34.0
    assert site.identity_dir == tmp_path / "identity"
    assert all(device.identity == NODE for device in site.devices)


def test_the_grids_meter_is_the_sites_meter() -> None:
    """If it fails, a sub-meter's power is taken for what the site exchanges with the grid."""
    proposal = propose(found("028D01", "028801", "02A501"), WISHES, FACTS)
    document = tomllib.loads(proposal.text)
    assert [one["eoj"] for one in document["devices"]] == ["028801"]
    assert len(proposal.left_out) == 2


def test_no_meter_no_site() -> None:
    """If it fails, an agent works at a site whose limits nobody can see."""
    with pytest.raises(ConfigError, match="no meter among the 1"):
        propose(found("027D01"), WISHES, FACTS)


def test_the_copy_for_the_test_of_the_link_differs_in_brokers_only(tmp_path: Path) -> None:
    """If it fails, the commissioning test tests another site."""
    path, beside = tmp_path / "site.toml", tmp_path / "trial.toml"
    proposal = propose(found("028801", "027D01"), WISHES, FACTS)
    write_proposal(path, proposal.text, FACTS, folder="identity")
    with_brokers(path, beside, ["mqtts://127.0.0.1:1"])
    one, other = tomllib.loads(path.read_text()), tomllib.loads(beside.read_text())
    assert other.pop("link") == {"brokers": ["mqtts://127.0.0.1:1"]}
    assert one.pop("link") == {"brokers": ["mqtts://b:8883"]}
    assert one == other
    assert load_config(beside).data_dir == load_config(path).data_dir
