"""The table of ``vpp bids compare``."""

from collections.abc import Sequence
from typing import Final

from cloud_coordinator.services.bidding.comparing import Row

_SHOWN: Final = 12
_HEAD: Final = (
    f"{'strategy':10} {'days':>4} {'expected':>11} {'came':>11} {'±':>9} {'exp-came':>11} {'±':>9} "
    f"{'penalty':>8} {'wear':>8} {'CVaR 5%':>11} {'gap exp':>8} {'gap came':>8} {'±':>7} {'s':>6}"
)


def table(area: str, rows: Sequence[Row], notes: Sequence[str]) -> list[str]:
    """Lines of one area; amounts are yen per day."""
    lines = [
        f"{area}: yen per day 円/日; ± is a 95 % interval over days 日による95%信頼区間; "
        "gap: part missing to exact 最適との差",
        _HEAD,
    ]
    for row in rows:
        lines.append(
            f"{row.strategy:10} {row.days:4d} {row.expected_jpy:11,.0f} {row.profit_jpy:11,.0f} "
            f"{row.error_jpy:9,.0f} {row.optimism_jpy:11,.0f} {row.optimism_error_jpy:9,.0f} "
            f"{row.penalty_jpy:8,.0f} {row.wear_jpy:8,.0f} {row.worst_jpy:11,.0f} "
            f"{_percent(row.expected_gap)} {_percent(row.profit_gap)} "
            f"{_percent(row.gap_error, 7)} {row.seconds:6.2f}"
        )
        lines += [f"  no answer 回答なし: {one}" for one in row.failed]
    hidden = len(notes) - _SHOWN
    lines += [f"note: {one}" for one in notes[:_SHOWN]]
    return lines + ([f"note: {hidden} more, see --json"] if hidden > 0 else [])


def _percent(value: float | None, width: int = 8) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.1%}"
