"""Peers: programs that are not ours, which some tests talk to.

A test that needs one carries ``@pytest.mark.peer("name")`` and may ask the ``peer`` fixture
for its place. Without the peer the test is skipped and says why. Where ``VPP_REQUIRE_PEERS=1``
is set (``.ci/run`` sets it), a skip of such a test is a failure.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".peers"
REQUIRED = os.environ.get("VPP_REQUIRE_PEERS") == "1"
INSTALL = "scripts/peers installs it"


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: {INSTALL}")
    return found


def _echonet_lite() -> str:
    _program("node")
    folder = PEERS / "node_modules" / "echonet-lite"
    if not (folder / "package.json").is_file():
        pytest.skip(f"npm echonet-lite is not in .peers: {INSTALL}")
    return str(folder)


def _ocpp_rpc() -> str:
    _program("node")
    folder = PEERS / "node_modules" / "ocpp-rpc"
    if not (folder / "package.json").is_file():
        pytest.skip(f"npm ocpp-rpc is not in .peers: {INSTALL}")
    return str(folder)


def _pychonet() -> str:
    found = importlib.util.find_spec("pychonet")
    if found is None or found.origin is None:
        pytest.skip("pychonet is not installed: it comes with the extra dev")
    return found.origin


def _uecho() -> str:
    python = Path(__file__).parents[1] / ".peers" / "python" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"uecho is not installed: {INSTALL}")
    return str(python)


def _bac0() -> str:
    found = importlib.util.find_spec("BAC0")
    if found is None or found.origin is None:
        pytest.skip("BAC0 is not installed: it comes with the extra dev")
    return found.origin


def _namespaces() -> str:
    """Place of ``ip``, if this user may make network namespaces."""
    program = _program("ip")
    name = f"vpp-probe-{os.getpid()}"
    command = [program, "netns", "add", name]
    made = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if made.returncode != 0:
        pytest.skip(f"network namespaces are refused here: {made.stderr.strip()}")
    subprocess.run([program, "netns", "delete", name], timeout=10, check=True)
    return program


_FINDERS: dict[str, Callable[[], str]] = {
    "BAC0": _bac0,
    "echonet-lite": _echonet_lite,
    "namespaces": _namespaces,
    "ocpp-rpc": _ocpp_rpc,
    "pychonet": _pychonet,
    "uecho": _uecho,
}


ANYWHERE = (
    "tests/architecture/",
    "tests/crash/",
    "tests/property/",
    "tests/unit/cloud_coordinator/allocation/",
    "tests/unit/cloud_coordinator/services/",
    "tests/unit/cloud_coordinator/store/",
    "tests/unit/edge_agent/control/",
    "tests/unit/edge_agent/cycle/",
    "tests/unit/edge_agent/journal/",
    "tests/unit/models/",
    "tests/unit/protocols/",
)
"""Folders whose tests open no socket: any process may run any of their files."""
APART = "tests/conformance/hostility/"
"""Folder whose tests mostly wait, at addresses of their own: any process, a file at a time."""


class Shares(LoadScopeScheduling):
    """Shares the tests out among processes so that no two want the same address."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith((*ANYWHERE, APART)) else "this machine"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    """Share out as :class:`Shares` says."""
    return Shares(config, log)


@pytest.fixture
def peer() -> Callable[[str], str]:
    """Place of a peer by its name; skips the test if it is not there."""

    def find(name: str) -> str:
        finder = _FINDERS.get(name)
        return _program(name) if finder is None else finder()

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    """Turn the skip of a test with a peer into a failure where peers are required."""
    report = yield
    if REQUIRED and report.skipped and any(item.iter_markers("peer")):
        report.outcome = "failed"
        place = report.longrepr
        reason = place[2] if isinstance(place, tuple) else str(place)
        report.longrepr = f"VPP_REQUIRE_PEERS=1 and a peer is missing: {reason}"
    return report


@pytest.fixture(autouse=True)
def _events_as_they_were() -> Iterator[None]:
    """Undo what a program under test set for the events of this process."""
    yield
    structlog.reset_defaults()
