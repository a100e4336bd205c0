"""The balancing market's results file (速報値) as it is published: cp932, CRLF. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from firmware_sim.counterparts.jepx_rules import AREA_NAMES, AREAS
from firmware_sim.counterparts.reserve_auction import Offer

_KW_PER_MW: Final = 1_000
_SEN: Final = 100
_Wins = Sequence[tuple[int, int]]
"""Price (hundredths) and kW of each part of an award."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """A block of a product.

    Attributes
    ----------
    sought_kw : mapping
        By area.
    offers : tuple of Offer
        All.
    awards : tuple of mapping
        kW of each offer, by area for which it was bought.
    """

    sought_kw: Mapping[str, int]
    offers: tuple[Offer, ...]
    awards: tuple[Mapping[str, int], ...]

    def wins_by_place(self) -> Mapping[str, _Wins]:
        """Won parts by the area of the resource."""
        return {
            area: [
                (offer.price_sen, sum(parts.values()))
                for offer, parts in zip(self.offers, self.awards, strict=True)
                if offer.area == area and parts
            ]
            for area in AREAS
        }

    def wins_by_buyer(self) -> Mapping[str, _Wins]:
        """Won parts by the area for which they were bought."""
        return {
            area: [
                (offer.price_sen, parts[area])
                for offer, parts in zip(self.offers, self.awards, strict=True)
                if area in parts
            ]
            for area in AREAS
        }

    def own_kw(self, area: str) -> int:
        """Sum what an area bought from itself, kW."""
        pairs = zip(self.offers, self.awards, strict=True)
        return sum(parts.get(area, 0) for offer, parts in pairs if offer.area == area)


def results_file(day: date, product: str, blocks: Sequence[BlockResult]) -> bytes:
    """Write the file of one day.

    Parameters
    ----------
    day : date
        Of delivery.
    product : str
        The publisher's name of it.
    blocks : sequence of BlockResult
        In their order.
    """
    lines = [
        "H,電力需給調整力取引所取引結果,対象年月,商品区分,ブロック数",
        f"P,速報値,{day:%Y%m},{product},{len(blocks)}",
        f"TT,取引情報,{','.join(AREA_NAMES)},合計",
    ]
    for number, block in enumerate(blocks, start=1):
        lines += [f"{day:%Y%m%d}B{number:02},{row}" for row in _rows(block)]
    return ("\r\n".join(lines) + "\r\n").encode("cp932")


def _rows(block: BlockResult) -> Iterator[str]:
    place, buyer = block.wins_by_place(), block.wins_by_buyer()
    offers = {area: [o.power_kw for o in block.offers if o.area == area] for area in AREAS}
    yield "募集量（TSO別）[MW]," + _powers([block.sought_kw.get(area, 0) for area in AREAS])
    yield "応札量合計（電源属地別）[MW]," + _powers([sum(offers[area]) for area in AREAS])
    yield "落札量合計（電源属地別）[MW]," + _powers([_won(place[area]) for area in AREAS])
    yield "応札件数（電源属地別）[件]," + _counts([len(offers[area]) for area in AREAS])
    yield "落札件数（電源属地別）[件]," + _counts([len(place[area]) for area in AREAS])
    for by, wins in (("電源属地別", place), ("TSO別", buyer)):
        for word, choose in (("最高", _highest), ("最低", _lowest), ("平均", _mean)):
            yield f"{word}落札価格（{by}）[円/kW・30分]," + _prices(wins, choose)
    yield "落札量合計（TSO別）[MW]," + _powers([_won(buyer[area]) for area in AREAS])
    yield "（内訳）自エリアからの落札量[MW]," + _powers([block.own_kw(area) for area in AREAS])


def _won(wins: _Wins) -> int:
    return sum(kw for _price, kw in wins)


def _highest(wins: _Wins) -> int:
    return max(price for price, _kw in wins)


def _lowest(wins: _Wins) -> int:
    return min(price for price, _kw in wins)


def _mean(wins: _Wins) -> int:
    total = _won(wins)
    return (2 * sum(price * kw for price, kw in wins) + total) // (2 * total)


def _prices(wins: Mapping[str, _Wins], choose: Callable[[_Wins], int]) -> str:
    """Prices by area and of all; 0 where nothing was won, as the publisher writes it."""
    everything = [win for area in AREAS for win in wins[area]]
    columns = [*(wins[area] for area in AREAS), everything]
    return ",".join(_decimal(choose(one) if one else 0, _SEN) for one in columns)


def _powers(power_kw: Sequence[int]) -> str:
    return ",".join(_decimal(one, _KW_PER_MW) for one in (*power_kw, sum(power_kw)))


def _counts(counts: Sequence[int]) -> str:
    return ",".join(str(one) for one in (*counts, sum(counts)))


def _decimal(value: int, unit: int) -> str:
    """Decimal of a whole number of parts, without zeros at its end."""
    digits = len(str(unit)) - 1
    whole, part = divmod(value, unit)
    return f"{whole}.{part:0{digits}}".rstrip("0").rstrip(".")
