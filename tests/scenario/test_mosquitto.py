"""Mosquitto as the second broker, configured as ``docs/security.md`` says."""

import asyncio
import getpass
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import pytest

from edge_agent.identity.files import IdentityFiles
from edge_agent.link.secure import link_context
from protocols.identity.names import COORDINATOR_NAME
from protocols.link.topics import TopicKind, Topics
from protocols.vocabulary.identifiers import SiteId
from tests.link_identity import LinkAuthority
from tests.ports import free_port

WAIT_S = 5.0
NOTHING_S = 0.3
DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None or shutil.which("mosquitto_passwd") is None, reason="no mosquitto here"
)


def documented() -> tuple[str, str]:
    """Read configuration and access list of the document."""
    blocks = re.findall(r"```\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    configuration = next(one for one in blocks if one.startswith("per_listener_settings"))
    return configuration, next(one for one in blocks if one.startswith("pattern"))


@contextmanager
def running(folder: Path, authority: LinkAuthority) -> Iterator[tuple[int, int]]:
    """Run it; ports of gateways and of the coordinator."""
    gateways, coordinator = free_port(), free_port()
    configuration, access = documented()
    for name, file in (
        ("root.pem", authority.trust),
        ("server.pem", authority.certificate),
        ("server.key", authority.key),
    ):
        shutil.copy(file, folder / name)
    (folder / "gateways.acl").write_text(access)
    (folder / "coordinator.passwd").write_text("coordinator:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", str(folder / "coordinator.passwd")], check=True)
    text = configuration.replace("/etc/vpp", str(folder))
    text = text.replace("listener 8883", f"listener {gateways} 127.0.0.1")
    text = text.replace("listener 1884", f"listener {coordinator}")
    (folder / "mosquitto.conf").write_text(f"user {getpass.getuser()}\n{text}")
    assert MOSQUITTO is not None
    with (
        (folder / "mosquitto.log").open("wb") as log,
        subprocess.Popen(
            [MOSQUITTO, "-c", str(folder / "mosquitto.conf")], stdout=log, stderr=log
        ) as process,
    ):
        try:
            _await(gateways)
            _await(coordinator)
            yield gateways, coordinator
        finally:
            process.terminate()


def _await(port: int) -> None:
    end_s = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            assert time.monotonic() < end_s, "mosquitto does not listen"
            time.sleep(0.02)


def gateway(port: int, files: IdentityFiles, name: str) -> aiomqtt.Client:
    """Make a gateway's connection under a client id."""
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V311,
        tls_context=link_context(files),
        timeout=WAIT_S,
    )


def test_the_documented_configuration_fixes_the_topics(tmp_path: Path) -> None:
    """If it fails, who runs mosquitto as we say lets each gateway read and act for the others."""
    authority = LinkAuthority(tmp_path / "authority")
    one, two = authority.site("one")[0], authority.site("two")[0]
    mine, others = Topics(SiteId("one")), Topics(SiteId("two"))
    heard: list[str] = []

    async def run(gateways: int, coordinator: int) -> None:
        async with (
            aiomqtt.Client(
                "127.0.0.1",
                coordinator,
                username="coordinator",
                password="secret",
            ) as center,
            gateway(gateways, one, "one") as first,
            gateway(gateways, two, "one") as second,  # its certificate gives it its own name
        ):
            await center.subscribe("v1/#")
            await first.subscribe(mine.downlink_filter)
            await second.subscribe(mine.downlink_filter)
            for client, topic in (
                (second, mine.topic(TopicKind.TELEMETRY)),
                (second, mine.topic(TopicKind.OBLIGATION)),
                (second, "v1/z/tokyo/sig"),
                (second, others.topic(TopicKind.TELEMETRY)),
                (first, mine.topic(TopicKind.TELEMETRY)),
                (center, mine.topic(TopicKind.OBLIGATION)),
            ):
                await client.publish(topic, b"said")
            wanted = {others.topic(TopicKind.TELEMETRY), mine.topic(TopicKind.TELEMETRY)}
            async with asyncio.timeout(WAIT_S):
                await anext(aiter(first.messages))
                async for message in center.messages:
                    heard.append(message.topic.value)
                    if wanted <= set(heard):
                        break
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(NOTHING_S):
                    await anext(aiter(second.messages))
        assert heard.count(mine.topic(TopicKind.TELEMETRY)) == 1
        assert "v1/z/tokyo/sig" not in heard

    with running(tmp_path, authority) as (gateways, coordinator):
        asyncio.run(run(gateways, coordinator))
        _old_is_refused(gateways, one)


def _old_is_refused(port: int, files: IdentityFiles) -> None:
    old = ssl.create_default_context(cafile=files.trust)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(files.certificate, files.key)
    with (
        socket.create_connection(("127.0.0.1", port), WAIT_S) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(plain, server_hostname=COORDINATOR_NAME)
