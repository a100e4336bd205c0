"""The front of ``vpp bids front`` as data and as a small picture (SVG)."""

import html
from typing import Final

import numpy as np

from cloud_coordinator.services.bidding.parameters import PARAMETERS
from cloud_coordinator.services.bidding.port import BidQuestion
from cloud_coordinator.services.bidding.searching import BidFront
from cloud_coordinator.services.bidding.worth import AIMS
from protocols.vocabulary.arrays import FloatArray

WIDTH: Final = 720
HEIGHT: Final = 460
MARGIN: Final = 120
"""Left of the axis, wide enough for yen in hundreds of millions."""
RIGHT: Final = 30
TOP: Final = 74
APART_X: Final = 18.0
APART_Y: Final = 12.0
"""Numbers nearer than this in both directions could not be read."""
_PROFIT: Final = "期待利益 expected profit, JPY/day"
_WEAR: Final = "電池劣化 wear, JPY/day"
_LEGEND_EN: Final = "larger: promises missed more often; darker: larger steps of power"
_LEGEND_JA: Final = (
    "大きい点ほど未達の確率が高く、濃い点ほど出力の変動が大きい。番号は --pick に使う。"
)


def front_data(front: BidFront, question: BidQuestion) -> dict[str, object]:
    """Front as plain data; profit is positive here."""
    aims = front.aims.copy()
    aims[:, 0] = -aims[:, 0]
    return {
        "area": question.area,
        "day": question.day.isoformat(),
        "aims": list(AIMS),
        "parameters": list(PARAMETERS),
        "points": [
            {"point": at, "aims": aim, "parameters": point}
            for at, (aim, point) in enumerate(
                zip(aims.tolist(), front.points.tolist(), strict=True)
            )
        ],
    }


def front_picture(front: BidFront, title: str) -> str:
    """Profit over wear, numbered for ``--pick``.

    A larger dot misses promises more often, a darker one steps harder.
    """
    profit, wear = -front.aims[:, 0], front.aims[:, 3]
    bottom, right = HEIGHT - MARGIN, WIDTH - RIGHT
    across = MARGIN + _part(wear) * (right - MARGIN)
    down = bottom - _part(profit) * (bottom - TOP)
    low, high = f"{profit.min():,.0f}", f"{profit.max():,.0f}"
    least, most = f"{wear.min():,.0f}", f"{wear.max():,.0f}"
    centre = (MARGIN + right) // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">'
        f"<title>{html.escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="20" font-size="14">{html.escape(title)}</text>'
        f'<text x="{MARGIN}" y="38">{_LEGEND_EN}</text>'
        f'<text x="{MARGIN}" y="54">{_LEGEND_JA}</text>'
        f'<path d="M{MARGIN} {TOP} V{bottom} H{right}" fill="none" stroke="#444"/>'
        f'<text x="{MARGIN - 6}" y="{bottom}" text-anchor="end">{low}</text>'
        f'<text x="{MARGIN - 6}" y="{TOP + 4}" text-anchor="end">{high}</text>'
        f'<text transform="translate(18 {(TOP + bottom) // 2}) rotate(-90)" '
        f'text-anchor="middle">{_PROFIT}</text>'
        f'<text x="{MARGIN}" y="{bottom + 18}">{least}</text>'
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{most}</text>'
        f'<text x="{centre}" y="{bottom + 36}" text-anchor="middle">{_WEAR}</text>'
        f"{_dots(front, across, down)}</svg>"
    )


def _dots(front: BidFront, across: FloatArray, down: FloatArray) -> str:
    """One dot for each point, its aims as its title; a number where none is near."""
    aims = front.aims
    size = 3.0 + 6.0 * _part(aims[:, 2])
    shade = np.rint(200.0 * (1.0 - _part(aims[:, 1]))).astype(np.int64)
    found: list[str] = []
    numbered: list[tuple[float, float]] = []
    rows = zip(across.tolist(), down.tolist(), size.tolist(), shade.tolist(), strict=True)
    for at, (x, y, r, s) in enumerate(rows):
        found.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="rgb({s},{s},220)" stroke="#224">'
            f"<title>{at}: {-aims[at, 0]:,.0f} JPY, {aims[at, 1]:,.0f} kW steps, "
            f"{aims[at, 2]:.3%} missed, {aims[at, 3]:,.0f} JPY wear</title></circle>"
        )
        if all(abs(x - a) > APART_X or abs(y - b) > APART_Y for a, b in numbered):
            numbered.append((x, y))
            found.append(
                f'<text x="{x + r + 2:.1f}" y="{y - r:.1f}" font-size="10" fill="#224">{at}</text>'
            )
    return "".join(found)


def _part(values: FloatArray) -> FloatArray:
    """Place of each value between the least (0) and the greatest (1)."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
