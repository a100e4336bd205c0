"""What was learned of sites and resources: its record, and the handler that lists it."""

import math
from functools import partial
from typing import Annotated

from aiohttp import web
from pydantic import Field

from cloud_coordinator.services.learning_ports import SiteCharacteristics
from cloud_coordinator.web.models import Record, ResourceQuery
from cloud_coordinator.web.paging import Page, cut
from cloud_coordinator.web.routing import Call, NoFields, answer
from protocols.vocabulary.identifiers import SiteId

Part = Annotated[float, Field(ge=0.0, le=1.0)]


class CharacteristicItem(Record):
    """How a site or resource answers its calls, as learned from awards."""

    site_id: str
    name: str = Field(description="The resource, or the site itself.")
    kind: str = Field(description="Kind of resource; site for the whole site at its meter.")
    delay_s: float = Field(description="From the call to the power, s.")
    gain: Part = Field(description="Delivered part of what was called, once settled.")
    reliability: Part = Field(description="Probability that a promise is kept.")
    efficiency: Part | None = Field(description="Of both ways together; null without storage.")
    degradation_jpy_per_kwh: float = Field(description="Wear per kWh of throughput.")
    events: int = Field(description="Awards learned from.")
    discarded_s: int = Field(description="Seconds of telemetry that were not believed.")


async def list_characteristics(call: Call[ResourceQuery, NoFields]) -> web.StreamResponse:
    """List what was learned, by site and then by name."""
    site_id = None if call.query.site_id is None else SiteId(call.query.site_id)
    memory = call.context.services.memory
    found = await call.context.heavy.run(partial(memory.learned, site_id))
    keys = [
        (str(site), name, kind)
        for site, name, kind in zip(found.sites, found.rows.names, found.rows.kinds, strict=True)
    ]
    rows = sorted(range(len(keys)), key=keys.__getitem__)
    page, following = cut(rows, call.query, key=keys.__getitem__)
    items = [_item(found, row) for row in page]
    return answer(Page[CharacteristicItem](items=items, next_cursor=following))


def _item(found: SiteCharacteristics, row: int) -> CharacteristicItem:
    rows = found.rows
    efficiency = float(rows.efficiency[row])
    return CharacteristicItem(
        site_id=found.sites[row],
        name=rows.names[row],
        kind=rows.kinds[row],
        delay_s=float(rows.delay_s[row]),
        gain=float(rows.gain[row]),
        reliability=float(rows.reliability[row]),
        efficiency=None if math.isnan(efficiency) else efficiency,
        degradation_jpy_per_kwh=float(rows.degradation_jpy_per_kwh[row]),
        events=int(rows.events[row]),
        discarded_s=int(rows.discarded_s[row]),
    )
