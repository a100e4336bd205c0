"""The balancing market as a server: takes bids, closes, awards, publishes.

A product's block is awarded when somebody asks after the results are due; nothing can be added
then, so the result never changes. The addresses are ours (``docs/spec-issues.md``); the results
file is in the publisher's layout.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from aiohttp import web

from firmware_sim.counterparts.eprx_results import BlockResult, results_file
from firmware_sim.counterparts.eprx_rules import (
    PRODUCTS,
    REASONS,
    BidLine,
    blocks_a_day,
    is_cleared,
    judge_bid,
)
from firmware_sim.counterparts.jepx_rules import AREAS, hundredths
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Mischief
from firmware_sim.counterparts.office import BODY_BYTES_MAX, Office, refusal, reply
from firmware_sim.counterparts.reserve_auction import Offer, award
from protocols.sansio.json_document import read_json_object
from protocols.templates.table import Table
from protocols.vocabulary.intervals import Clock

BIDS_MAX: Final = 5_000
_KIND: Final = "eprx"
_FILE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})_([0-9]-[0-9])")
_SEN: Final = 100
_SLOTS: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is sought, and what others offer, per product and block.

    Attributes
    ----------
    sought_kw : mapping
        By area.
    others : tuple of Offer
        Everybody else.
    """

    sought_kw: Mapping[str, int]
    others: tuple[Offer, ...] = ()


def simulated_demand(product: str, block: int) -> Demand:
    """Seek some reserve in every area, more than others offer below 10 JPY."""
    size = 20_000 + 1_000 * (len(product) + block) % 7_000
    return Demand(
        sought_kw={area: size + 2_000 * index for index, area in enumerate(AREAS)},
        others=tuple(
            Offer(owner="", area=area, power_kw=size // 2, least_kw=1_000, price_sen=price)
            for area in AREAS
            for price in (180, 420, 1_000)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An accepted bid."""

    request_id: str
    number: int
    line: BidLine
    offer: Offer


class EprxCounterpart:
    """A running balancing market.

    Parameters
    ----------
    ledger : Ledger
        What was received; survives a restart.
    clock : Clock
        Market time.
    demand : callable
        What is sought, by product and block.
    mischief : Mischief
        What goes wrong.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        demand: Callable[[str, int], Demand] = simulated_demand,
        mischief: Mischief,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._demand = demand
        self._mischief = mischief

    def application(self) -> web.Application:
        """Make the routes."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        office = Office(self._ledger, _KIND, self._judge)
        app.router.add_post("/eprx/v1/bids", self._mischief.guard(office.post))
        app.router.add_get("/eprx/v1/bids/{request_id}", office.get)
        app.router.add_get("/eprx/v1/bids/{request_id}/fills", self._fills)
        app.router.add_get("/eprx/v1/results/{name}_prompt.csv", self._results)
        return app

    def _judge(self, table: Table) -> Mapping[str, object]:
        text, area = table.text("day"), table.text("area")
        table.text("member")
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise table.refuse("day", f"{text!r} is no day") from None
        now = self._clock.now()
        taken: dict[tuple[str, int], frozenset[tuple[int, bool]]] = {}
        for kept in self._bids(day):
            _occupy(taken, kept.line, day)
        results: list[Mapping[str, object]] = []
        for number, row in enumerate(table.tables("bids")):
            if row.integer("number", high=BIDS_MAX) != number:
                raise row.refuse("number", f"{number} is promised")
            line = _line(row)
            code = judge_bid(line, area=area, day=day, now=now) or _clash(line, day, taken)
            if not code:
                _occupy(taken, line, day)
            result = "rejected" if code else "accepted"
            reason = REASONS.get(code, "")
            results.append({"number": number, "result": result, "code": code, "reason": reason})
        table.end()
        if not results:
            raise table.refuse("bids", "is empty")
        return {"received_at": now.isoformat(), "results": results}

    async def _fills(self, request: web.Request) -> web.Response:
        request_id = request.match_info["request_id"]
        entry = self._ledger.find(_KIND, request_id)
        if entry is None:
            return refusal(404, "UNKNOWN_ID", "no such request")
        day = _day_of(read_json_object(entry.body))
        mine = [kept for kept in self._bids(day) if kept.request_id == request_id]
        now = self._clock.now()
        if not all(is_cleared(kept.line.product, day, now) for kept in mine):
            return refusal(409, "NOT_CLEARED", f"results of {day} are not out")
        fills = []
        for product, block in sorted({(kept.line.product, kept.line.block) for kept in mine}):
            for kept, awarded in self._awarded(day, product, block):
                if kept is not None and kept.request_id == request_id:
                    power, price = sum(awarded.values()), kept.offer.price_sen
                    fills.append(
                        {
                            "number": kept.number,
                            "power_kw": str(power),
                            "price": f"{price // _SEN}.{price % _SEN:02}",
                        }
                    )
        fills.sort(key=lambda fill: int(str(fill["number"])))
        return reply({"request_id": request_id, "day": day.isoformat(), "fills": fills})

    def _awarded(
        self, day: date, product: str, block: int
    ) -> Sequence[tuple[_Kept | None, Mapping[str, int]]]:
        """Awards of a block: ours with their bid, then those of everybody else."""
        kept = [
            one for one in self._bids(day) if (one.line.product, one.line.block) == (product, block)
        ]
        demand = self._demand(product, block)
        offers = [*(one.offer for one in kept), *demand.others]
        found = award(offers, demand.sought_kw, product=product)
        owners: list[_Kept | None] = [*kept, *(None for _ in demand.others)]
        return list(zip(owners, found, strict=True))

    def _bids(self, day: date | None = None) -> Sequence[_Kept]:
        """Find accepted bids, of a day or all."""
        found = []
        for entry in self._ledger.entries(_KIND):
            body, answer = read_json_object(entry.body), read_json_object(entry.answer)
            if day is not None and _day_of(body) != day:
                continue
            results = Table(answer, "answer").tables("results")
            rows = Table(body, "body").tables("bids")
            for number, (row, result) in enumerate(zip(rows, results, strict=True)):
                if result.text("result") != "accepted":
                    continue
                line = _line(row)
                offer = Offer(
                    owner=entry.key,
                    area=str(body["area"]),
                    power_kw=(hundredths(line.power_kw) or 0) // _SEN,
                    least_kw=(hundredths(line.least_kw) or 0) // _SEN,
                    price_sen=hundredths(line.price) or 0,
                )
                found.append(_Kept(request_id=entry.key, number=number, line=line, offer=offer))
        return found

    async def _results(self, request: web.Request) -> web.Response:
        match = _FILE.fullmatch(request.match_info["name"])
        codes = {code: product for product, (code, _name) in PRODUCTS.items()}
        if match is None or match[4] not in codes:
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        try:
            day = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        product = codes[match[4]]
        if not is_cleared(product, day, self._clock.now()):
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        return web.Response(body=self._published(day, product), content_type="text/csv")

    def _published(self, day: date, product: str) -> bytes:
        blocks = []
        for block in range(1, blocks_a_day(product, day) + 1):
            demand = self._demand(product, block)
            awarded = self._awarded(day, product, block)
            mine = [owner.offer for owner, _ in awarded if owner is not None]
            blocks.append(
                BlockResult(
                    sought_kw=demand.sought_kw,
                    offers=(*mine, *demand.others),
                    awards=tuple(parts for _owner, parts in awarded),
                )
            )
        return results_file(day, PRODUCTS[product][1], blocks)


def _line(row: Table) -> BidLine:
    line = BidLine(
        product=row.text("product"),
        block=row.integer("block", high=1000),
        unit=row.text("unit"),
        pattern=row.integer("pattern", high=1000),
        power_kw=row.text("power_kw"),
        least_kw=row.text("least_kw"),
        price=row.text("price"),
    )
    row.integer("number", 0)
    row.end()
    return line


def _slots(line: BidLine, day: date) -> range:
    """Half hours of a block, from 0; none of a block that is not there."""
    blocks = blocks_a_day(line.product, day)
    width = _SLOTS // blocks
    return range((line.block - 1) * width, line.block * width) if line.block <= blocks else range(0)


def _occupy(
    taken: dict[tuple[str, int], frozenset[tuple[int, bool]]], line: BidLine, day: date
) -> None:
    """Remember which pattern of a list is bid where."""
    for slot in _slots(line, day):
        before = taken.get((line.unit, slot), frozenset())
        taken[line.unit, slot] = before | {(line.pattern, line.product == "tertiary2")}


def _clash(
    line: BidLine, day: date, taken: Mapping[tuple[str, int], frozenset[tuple[int, bool]]]
) -> str:
    """Code if the same list is bid with another pattern, or to both markets."""
    mine = (line.pattern, line.product == "tertiary2")
    others = {one for slot in _slots(line, day) for one in taken.get((line.unit, slot), ())}
    if any(pattern != mine[0] for pattern, _ in others):
        return "B11"
    return "B12" if any(is_daily != mine[1] for _, is_daily in others) else ""


def _day_of(body: Mapping[str, object]) -> date:
    return date.fromisoformat(str(body["day"]))
