"""The gateway's own IEEE 2030.5 server against callers that are strangers, forged or hostile.

Loopback 127.5.32.x.
"""

import asyncio
import ssl
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.port import WriteState
from protocols.ieee2030_5.xml import MEDIA_TYPE
from protocols.vocabulary.errors import ConfigError
from tests.pki import Holder, Pki
from tests.ports import free_port
from tests.unit.edge_agent.drivers.ieee2030_5.site import (
    Place,
    context_of,
    device_of,
    served,
)

NET = "127.5.32"
XML = {"Content-Type": MEDIA_TYPE}


async def turned_away(place: Place, holder: Holder | None) -> bool:
    """Whether a caller gets no answer at all."""
    connector = aiohttp.TCPConnector(ssl=context_of(place, holder))
    url = f"https://{place.host}:{place.port}/dcap"
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(url) as reply:
                await reply.read()
        except (aiohttp.ClientError, ssl.SSLError, OSError):
            return True
    return False


def test_only_configured_devices_get_past_the_handshake(tmp_path: Path) -> None:
    """If it fails, a neighbour's inverter, or a forged one, is controlled or believed."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.1", free_port())
        stranger = place.pki.device("stranger")
        forged = Pki(tmp_path / "other").device("forged")
        async with served(place.config()) as site:
            assert await turned_away(place, stranger)
            assert await turned_away(place, forged)
            assert await turned_away(place, None)
            assert not await turned_away(place, place.device)
            (found,) = await site.family.discover()
            assert (found.identity, found.device_id) == (stranger.lfdi, "")

    asyncio.run(story())


def test_nobody_registers_or_reads_another(tmp_path: Path) -> None:
    """If it fails, one device can pose as another, or see what another does."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.2", free_port())
        async with served(place.config()), device_of(place) as device:
            other = "AB" * 20
            body = (
                '<EndDevice xmlns="urn:ieee:std:2030.5:ns"><lFDI>'
                f"{other}</lFDI><sFDI>460652430</sFDI><changedTime>1</changedTime></EndDevice>"
            )
            url = device.url("/edev")
            async with device.session.post(url, data=body, headers=XML) as reply:
                assert reply.status in {400, 403}
            for path in ("/edev/2", "/derp/2", "/edev/2/der/1/ders"):
                async with device.session.get(device.url(path)) as reply:
                    assert reply.status == 404

    asyncio.run(story())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"\x00" * 100,
        b'<!DOCTYPE a [<!ENTITY b "c">]><DERStatus xmlns="urn:ieee:std:2030.5:ns">&b;</DERStatus>',
        b"<a>" * 5000,
        b'<DERStatus xmlns="urn:other"/>',
    ],
)
def test_hostile_bodies_end_in_400_and_nothing_else_suffers(tmp_path: Path, body: bytes) -> None:
    """If it fails, one bad document stops the server of the whole site."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.3", free_port())
        async with served(place.config()) as site, device_of(place) as device:
            url = device.url("/edev/1/der/1/ders")
            async with device.session.put(url, data=body, headers=XML) as reply:
                assert reply.status == 400
            await device.measure(100.0)
            assert await site.live()

    asyncio.run(story())


def test_a_flood_is_slowed_down_and_the_device_still_obeys_afterwards(tmp_path: Path) -> None:
    """If it fails, one broken inverter takes the gateway's time from all others."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.4", free_port())
        async with served(place.config()) as site, device_of(place) as device:
            await device.measure(0.0)
            assert await site.live()
            statuses: Counter[int] = Counter()
            for _ in range(400):
                async with device.session.get(device.url("/tm")) as reply:
                    statuses[reply.status] += 1
            assert set(statuses) == {200, 429}
            async with device.session.put(device.url("/tm"), data=b"x" * 3_000_000) as reply:
                assert reply.status in {405, 413, 429}
        async with served(place.config()) as site, device_of(place) as device:
            await device.measure(0.0)
            assert await site.live()
            assert (await site.write(-500.0)).state is WriteState.DONE

    asyncio.run(story())


def _wrong(config: SiteConfig, folder: Path) -> SiteConfig:
    """Damage the records of a site."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    (config.data_dir / "ieee2030-5-server.sqlite").write_bytes(b"no database at all" * 100)
    return config


def test_damaged_records_are_set_aside(tmp_path: Path) -> None:
    """If it fails, a gateway with a worn card cannot control its inverters any more."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.5", free_port())
        async with served(_wrong(place.config(), tmp_path)) as site, device_of(place) as device:
            await device.measure(0.0)
            assert await site.live()

    asyncio.run(story())


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """If it fails, a second agent on the machine ends in a traceback."""

    async def story() -> None:
        place = Place.at(tmp_path, f"{NET}.6", free_port())
        config = place.config()
        async with served(config):
            with pytest.raises(ConfigError, match=r"ieee2030_5_server: .* cannot listen"):
                async with served(config):
                    pass

    asyncio.run(story())
