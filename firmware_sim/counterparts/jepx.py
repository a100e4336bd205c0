"""The power exchange as a server: takes orders, closes, clears, publishes.

Day-ahead orders are kept blind and cleared when somebody asks after the gate; the result is kept
and never changes. Intraday orders meet standing quotes around the day-ahead price at once. The
addresses are ours (``docs/spec-issues.md``): the exchange's own programs cannot be read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from aiohttp import web

from firmware_sim.counterparts.jepx_book import SLOTS, Book
from firmware_sim.counterparts.jepx_rules import (
    AREA_NAMES,
    REASONS,
    OrderLine,
    hundredths,
    judge_order,
    spot_is_over,
)
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Mischief
from firmware_sim.counterparts.office import BODY_BYTES_MAX, Office, refusal, reply
from firmware_sim.counterparts.spot_auction import CENTS, Cleared, Order, auction
from protocols.sansio.json_document import read_json_object
from protocols.templates.table import Table
from protocols.vocabulary.intervals import Clock

QUOTE_SPREAD_SEN: Final = 100
"""Standing intraday quotes are so far from the day-ahead price."""
QUOTE_DEPTH_KWH: Final = 5_000
ORDERS_MAX: Final = 5_000
_KINDS: Final = {"spot": "jepx-spot", "intraday": "jepx-intraday"}
_DAY: Final = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An accepted order of the day-ahead market."""

    request_id: str
    number: int
    slot: int
    order: Order


class JepxCounterpart:
    """A running exchange.

    Parameters
    ----------
    ledger : Ledger
        What was received; survives a restart.
    clock : Clock
        Market time.
    book : Book
        Everybody else.
    mischief : Mischief
        What goes wrong.
    """

    def __init__(self, ledger: Ledger, clock: Clock, *, book: Book, mischief: Mischief) -> None:
        self._ledger = ledger
        self._clock = clock
        self._book = book
        self._mischief = mischief

    def application(self) -> web.Application:
        """Make the routes."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        for market, judge in (("spot", self._judge_spot), ("intraday", self._judge_intraday)):
            office = Office(self._ledger, _KINDS[market], judge)
            app.router.add_post(f"/jepx/v1/{market}", self._mischief.guard(office.post))
            app.router.add_get(f"/jepx/v1/{market}/{{request_id}}", office.get)
        app.router.add_get("/jepx/v1/spot/{request_id}/fills", self._spot_fills)
        app.router.add_get("/jepx/v1/intraday/{request_id}/fills", self._intraday_fills)
        app.router.add_get("/jepx/v1/results/spot_summary_{day}.csv", self._summary)
        return app

    def _judge_spot(self, table: Table) -> Mapping[str, object]:
        return self._judge(table, "spot")[0]

    def _judge_intraday(self, table: Table) -> Mapping[str, object]:
        answer, lines = self._judge(table, "intraday")
        day = date.fromisoformat(table.text("day"))
        left, cleared = self._quotes_left(day), self._cleared(day)
        fills = []
        for number, line, code in lines:
            energy, price = (0, 0)
            if not code:
                energy, price = _match(line, left, spot_sen=cleared[line.slot][0].price_sen or 0)
            fills.append({"number": number, "energy_kwh": str(energy), "price": _yen(price)})
        return {**answer, "day": day.isoformat(), "fills": fills}

    def _judge(
        self, table: Table, market: str
    ) -> tuple[Mapping[str, object], Sequence[tuple[int, OrderLine, str]]]:
        day, area = _day(table), table.text("area")
        table.text("member")
        now = self._clock.now()
        lines: list[tuple[int, OrderLine, str]] = []
        for number, row in enumerate(table.tables("orders")):
            if row.integer("number", high=ORDERS_MAX) != number:
                raise row.refuse("number", f"{number} is promised")
            line = OrderLine(
                slot=row.integer("slot", high=1000),
                side=row.text("side"),
                energy_kwh=row.text("energy_kwh"),
                price=row.text("price"),
            )
            row.end()
            code = judge_order(line, market=market, area=area, day=day, now=now)
            lines.append((number, line, code))
        table.end()
        if not lines:
            raise table.refuse("orders", "is empty")
        results = [
            {
                "number": number,
                "result": "rejected" if code else "accepted",
                "code": code,
                "reason": REASONS.get(code, ""),
            }
            for number, _line, code in lines
        ]
        return {"received_at": now.isoformat(), "results": results}, lines

    async def _spot_fills(self, request: web.Request) -> web.Response:
        request_id = request.match_info["request_id"]
        entry = self._ledger.find(_KINDS["spot"], request_id)
        if entry is None:
            return refusal(404, "UNKNOWN_ID", "no such request")
        day = date.fromisoformat(str(read_json_object(entry.body)["day"]))
        if not spot_is_over(day, self._clock.now()):
            return refusal(409, "NOT_CLEARED", f"the market of {day} is open")
        fills = [
            {
                "number": kept.number,
                "energy_kwh": str(energy),
                "price": _yen(cleared.price_sen or 0),
            }
            for slot, (cleared, mine) in self._cleared(day).items()
            for kept, energy in mine
            if kept.request_id == request_id and slot == kept.slot
        ]
        return reply(
            {
                "request_id": request_id,
                "day": day.isoformat(),
                "fills": sorted(fills, key=lambda fill: int(str(fill["number"]))),
            }
        )

    async def _intraday_fills(self, request: web.Request) -> web.Response:
        entry = self._ledger.find(_KINDS["intraday"], request.match_info["request_id"])
        if entry is None:
            return refusal(404, "UNKNOWN_ID", "no such request")
        answer = read_json_object(entry.answer)
        return reply({key: answer[key] for key in ("request_id", "day", "fills")})

    async def _summary(self, request: web.Request) -> web.Response:
        text = request.match_info["day"]
        if not _DAY.fullmatch(text):
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        try:
            day = date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
        except ValueError:
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        if not spot_is_over(day, self._clock.now()):
            return refusal(404, "NOT_PUBLISHED", "there is no such file yet")
        return web.Response(body=self._published(day), content_type="text/csv")

    def _cleared(self, day: date) -> Mapping[int, tuple[Cleared, Sequence[tuple[_Kept, int]]]]:
        """Clear a day. Nothing can be added after the gate, so it is the same every time."""
        kept = self._orders(day)
        found = {}
        for slot in range(1, SLOTS + 1):
            mine = [one for one in kept if one.slot == slot]
            cleared = auction([*(one.order for one in mine), *self._book[slot]])
            energies = list(zip(mine, cleared.fills, strict=False))
            found[slot] = (cleared, energies)
        return found

    def _orders(self, day: date) -> Sequence[_Kept]:
        found = []
        for entry in self._ledger.entries(_KINDS["spot"]):
            body, answer = read_json_object(entry.body), read_json_object(entry.answer)
            if body["day"] != day.isoformat():
                continue
            results = Table(answer, "answer").tables("results")
            for row, result in zip(Table(body, "body").tables("orders"), results, strict=True):
                if result.text("result") == "accepted":
                    order = Order(
                        owner=entry.key,
                        price_sen=hundredths(row.text("price")) or 0,
                        energy_kwh=(hundredths(row.text("energy_kwh")) or 0) // CENTS,
                        sells=row.text("side") == "sell",
                    )
                    found.append(
                        _Kept(
                            request_id=entry.key,
                            number=row.integer("number"),
                            slot=row.integer("slot"),
                            order=order,
                        )
                    )
        return found

    def _quotes_left(self, day: date) -> dict[tuple[int, str], int]:
        """Depth of the standing quotes after the orders that were matched before."""
        left = {
            (slot, side): QUOTE_DEPTH_KWH
            for slot in range(1, SLOTS + 1)
            for side in ("sell", "buy")
        }
        for entry in self._ledger.entries(_KINDS["intraday"]):
            body, answer = read_json_object(entry.body), read_json_object(entry.answer)
            if body["day"] != day.isoformat():
                continue
            fills = Table(answer, "answer").tables("fills")
            for row, fill in zip(Table(body, "body").tables("orders"), fills, strict=True):
                key = (row.integer("slot"), row.text("side"))
                if key in left:
                    left[key] -= int(fill.text("energy_kwh"))
        return left

    def _published(self, day: date) -> bytes:
        """Results as the exchange publishes them: cp932, CRLF; areas are not divided."""
        head = ["受渡日", "時刻コード", "売り入札量(kWh)", "買い入札量(kWh)", "約定総量(kWh)"]
        head += ["システムプライス(円/kWh)"]
        head += [f"エリアプライス{name}(円/kWh)" for name in AREA_NAMES]
        lines = [",".join(head)]
        kept = self._orders(day)
        for slot, (cleared, _mine) in self._cleared(day).items():
            orders = [*(one.order for one in kept if one.slot == slot), *self._book[slot]]
            offered = sum(order.energy_kwh for order in orders if order.sells)
            wanted = sum(order.energy_kwh for order in orders if not order.sells)
            price = _yen(cleared.price_sen or 0)
            volumes = f"{offered},{wanted},{cleared.energy_kwh}"
            lines.append(f"{day:%Y/%m/%d},{slot},{volumes}," + ",".join([price] * 10))
        return ("\r\n".join(lines) + "\r\n").encode("cp932")


def _match(line: OrderLine, left: dict[tuple[int, str], int], *, spot_sen: int) -> tuple[int, int]:
    """Energy and price (hundredths) of an intraday order against the standing quotes."""
    sells = line.side == "sell"
    quote = max(spot_sen - QUOTE_SPREAD_SEN, 1) if sells else spot_sen + QUOTE_SPREAD_SEN
    limit = hundredths(line.price) or 0
    if limit > quote if sells else limit < quote:
        return 0, 0
    wanted = (hundredths(line.energy_kwh) or 0) // CENTS
    energy = min(wanted, left[line.slot, line.side])
    left[line.slot, line.side] -= energy
    return energy, quote if energy else 0


def _day(table: Table) -> date:
    text = table.text("day")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise table.refuse("day", f"{text!r} is no day") from None


def _yen(sen: int) -> str:
    return f"{sen // CENTS}.{sen % CENTS:02}"
