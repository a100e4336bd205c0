"""``edge-agent run`` with input nobody can work with: one line, exit code 2, nothing half done."""

import contextlib
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
Run = Callable[..., Any]


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, "the example file changed"
        return text.replace(old, new, 1)

    return change


def _without_meter(text: str) -> str:
    """Drop the first device table, the meter's."""
    head, meter, *others = text.split("[[devices]]")
    assert 'kind = "meter"' in meter
    return "[[devices]]".join([head, *others])


BAD = {
    "not TOML": (_replaced("[link]", "[link"), ["not TOML", "line"]),
    "unknown key": (_replaced("keepalive_s", "keep_alive_s"), ["link.keep_alive_s", "unknown key"]),
    "wrong unit": (
        _replaced("contract_import_w = 9000.0", "contract_import_kw = 10"),
        ["limits.contract_import_kw", "write contract_import_w in W"],
    ),
    "two of one id": (_replaced('id = "pv-1"', 'id = "battery-1"'), ["devices[2].id", "battery-1"]),
    "no meter": (_without_meter, ["devices", "no meter"]),
}


@pytest.fixture(scope="module")
def ended(make: Make, run_program: Run) -> dict[str, tuple[Any, Any]]:
    """Run an agent with each bad file, two at a time."""

    def run(site: Any) -> Any:
        return run_program("edge-agent", "run", "--config", str(site.config))

    sites = {case: make() for case in BAD}
    for case, site in sites.items():
        site.config.write_text(BAD[case][0](site.config.read_text()))
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(
            zip(BAD, zip(sites.values(), pool.map(run, sites.values()), strict=True), strict=True)
        )


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_file_is_told_in_one_line(case: str, ended: dict[str, tuple[Any, Any]]) -> None:
    """A person at the site would search a stack trace, or find a half-started agent, otherwise."""
    site, program = ended[case]
    line = program.line
    for word in ["edge-agent: ", "site.toml", *BAD[case][1]]:
        assert word in line
    _nothing_was_begun(site)


def test_a_missing_file_is_told_with_its_path(tmp_path: Path, run_program: Run) -> None:
    """The person would not know which file the service looked for."""
    wanted = tmp_path / "nowhere.toml"
    line = run_program("edge-agent", "run", "--config", str(wanted)).line
    assert f"{wanted}: file: cannot be read: No such file" in line
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_told_before_anything_is_begun(make: Make, run_program: Run) -> None:
    """Two programs would share one port 3610 and steal each other's answers."""
    site = make()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind((site.gateway, 3610))
        line = run_program("edge-agent", "run", "--config", str(site.config)).line
    for word in ("site.toml: ", "echonet", f"{site.gateway}:3610", "taken by another program"):
        assert word in line
    _nothing_was_begun(site)


def test_a_data_folder_that_is_a_file_is_told(make: Make, run_program: Run) -> None:
    """The agent would run without a memory, or overwrite a person's file."""
    site = make()
    (site.folder / "data").write_text("mine")
    line = run_program("edge-agent", "run", "--config", str(site.config)).line
    for word in ("site.toml: ", "data_dir", str(site.folder / "data")):
        assert word in line
    assert (site.folder / "data").read_text() == "mine"


def test_a_corrupt_journal_is_kept_and_two_agents_never_write_one(
    make: Make, run_program: Run
) -> None:
    """Evidence would be overwritten, or two agents would command one battery."""
    site = make()
    garbage = b"SQLite format 3\x00" + bytes(range(256)) * 40
    _put(site.journal, garbage)
    agent = site.start_agent()
    assert _kept(site.journal, "corrupt") == [garbage]
    assert _told(agent, "journal.set_aside")
    assert site.technician("status")["site_id"] == site.site_id
    other = site.folder / "other.toml"
    other.write_text(site.config.read_text().replace(f'"{site.gateway}"', f'"{site.net}.2"', 1))
    line = run_program("edge-agent", "run", "--config", str(other)).line
    for word in ("other.toml: ", "data_dir", "in use by process", str(agent.pid)):
        assert word in line
    assert agent.running
    assert site.watchdog_pid() is not None


def test_a_foreign_journal_is_kept_and_a_new_one_begun(make: Make) -> None:
    """The record of another house would be sent as this one's, or be lost."""
    owner, site = make(), make()
    owner.start_agent()
    owner.end()
    _put(site.journal, b"")
    shutil.copyfile(owner.journal, site.journal)
    before = site.journal.read_bytes()
    agent = site.start_agent()
    assert _kept(site.journal, "foreign") == [before]
    assert _told(agent, "journal.set_aside")
    assert site.technician("doctor")["journals"][0]["chain_ok"]


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _kept(path: Path, cause: str) -> list[bytes]:
    """Read the files that were kept aside, companions left out."""
    found = path.parent.glob(f"{path.name}.{cause}-*Z")
    return [kept.read_bytes() for kept in found]


def _told(agent: Any, event: str) -> bool:
    return len(agent.events(event)) == 1


def _nothing_was_begun(site: Any) -> None:
    assert not list(site.folder.rglob("*.sqlite*")), "no journal"
    assert site.watchdog_pid() is None
