"""The market file of the coordinator: area, zone, plants, markets, plans and publishers.

Secrets are in files of their own; paths in the file are beside it.
"""

import os
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud_coordinator.gateway.exchanges.plan_office import PLAN_CODES, PlanIdentity
from cloud_coordinator.gateway.exchanges.publishers import PublisherPlan, read_publishers
from cloud_coordinator.gateway.exchanges.wired_market import Chosen, market_of
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.bidding.strategies import STRATEGIES
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ZoneId, checked_name

_NAMES: Final = {"jepx": (Venue.SPOT, Venue.INTRADAY), "eprx": (Venue.RESERVE,)}
_SECRET_BYTES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccess:
    """Where a market is and who we are there; without files the connection is not ours alone."""

    url: str
    member: str
    context: ssl.SSLContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAccess:
    """Where plans are filed, and who we are there."""

    url: str
    user: str
    password: str
    context: ssl.SSLContext | None
    identity: PlanIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFile:
    """A market file.

    Attributes
    ----------
    zone : ZoneId
        Whose sites deliver.
    chosen : Chosen
        Area, strategy, data, plants.
    venues : mapping of Venue to VenueAccess
        What is traded at.
    plans : PlanAccess or None
        OCCTO; None files nothing.
    publishers : tuple of PublisherPlan
        Whose files are fetched.
    has_folder : bool
        Whether a folder of data fills what was never imported.
    """

    zone: ZoneId
    chosen: Chosen
    venues: Mapping[Venue, VenueAccess]
    plans: PlanAccess | None = None
    publishers: tuple[PublisherPlan, ...] = ()
    has_folder: bool = False


def read_market_file(path: Path) -> MarketFile:
    """Read a market file; paths in it are beside it.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        table = Table(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    portfolio, data = table.text("portfolio", ""), table.text("data", "")
    found = MarketFile(
        zone=ZoneId(checked_name(table.text("zone"), f"{path}.zone")),
        chosen=Chosen(
            area=table.text("area"),
            data=path.parent / data if data else Path(os.devnull),
            strategy=choice(table, "strategy", tuple(STRATEGIES), default="exact"),
            rules="",
            portfolio=path.parent / portfolio if portfolio else None,
        ),
        venues={
            venue: access
            for name, venues in _NAMES.items()
            if name in table
            for access in (_access(table.table(name), path.parent),)
            for venue in venues
        },
        plans=_plans(table.table("occto"), path.parent) if "occto" in table else None,
        publishers=read_publishers(table),
        has_folder=bool(data),
    )
    table.end()
    market_of(found.chosen)
    return found


def _access(table: Table, folder: Path) -> VenueAccess:
    member = table.text("member")
    url, context = _connection(table, folder)
    table.end()
    return VenueAccess(url=url, member=member, context=context)


def _plans(table: Table, folder: Path) -> PlanAccess:
    secret = folder / table.text("password_file")
    try:
        password = secret.read_bytes()[:_SECRET_BYTES_MAX].decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise table.refuse("password_file", f"{secret}: {error}") from error
    identity = PlanIdentity(
        company=table.text("company"),
        group=table.text("group"),
        unit=table.text("unit"),
        area=table.integer("area", low=1, high=10),
        partner=table.text("partner", "JEPX"),
        receiver=table.text("receiver", "99999"),
        codes={name: table.text(name, code) for name, code in PLAN_CODES.items()},
    )
    user = table.text("user")
    url, context = _connection(table, folder)
    table.end()
    return PlanAccess(url=url, user=user, password=password, context=context, identity=identity)


def _connection(table: Table, folder: Path) -> tuple[str, ssl.SSLContext | None]:
    """Address, and how to speak to it; None trusts the authorities of this machine."""
    url = table.text("url")
    names = {key: table.text(key, "") for key in ("authorities", "certificate", "key")}
    if not url.startswith(("http://", "https://")):
        raise table.refuse("url", f"{url!r} begins with neither http:// nor https://")
    if not any(names.values()):
        return url, None
    files = {key: str(folder / name) if name else None for key, name in names.items()}
    try:
        context = ssl.create_default_context(cafile=files["authorities"])
        if files["certificate"] is not None:
            context.load_cert_chain(files["certificate"], files["key"])
    except (OSError, ssl.SSLError) as error:
        raise table.refuse("certificate", f"{names}: {error}") from error
    return url, context
