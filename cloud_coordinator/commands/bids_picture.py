"""The front of ``vpp bids front`` as data and as a small picture (SVG)."""

import html
from typing import Final

import numpy as np

from cloud_coordinator.services.bidding.parameters import PARAMETERS
from cloud_coordinator.services.bidding.port import BidQuestion
from cloud_coordinator.services.bidding.searching import BidFront
from cloud_coordinator.services.bidding.worth import AIMS
from protocols.vocabulary.arrays import FloatArray

WIDTH: Final = 640
HEIGHT: Final = 400
MARGIN: Final = 60


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
    """Profit over wear; a larger dot misses promises more often, a darker one steps harder."""
    profit, wear = -front.aims[:, 0], front.aims[:, 3]
    across = MARGIN + _part(wear) * (WIDTH - 2 * MARGIN)
    down = HEIGHT - MARGIN - _part(profit) * (HEIGHT - 2 * MARGIN)
    size = 3.0 + 6.0 * _part(front.aims[:, 2])
    shade = np.rint(200.0 * (1.0 - _part(front.aims[:, 1]))).astype(np.int64)
    rows = zip(across.tolist(), down.tolist(), size.tolist(), shade.tolist(), strict=True)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="rgb({s},{s},220)" stroke="#224">'
        f"<title>{at}: {profit[at]:,.0f} JPY, {front.aims[at, 1]:,.0f} kW steps, "
        f"{front.aims[at, 2]:.3%} missed, {wear[at]:,.0f} JPY wear</title></circle>"
        for at, (x, y, r, s) in enumerate(rows)
    )
    low, high = f"{profit.min():,.0f}", f"{profit.max():,.0f}"
    least, most = f"{wear.min():,.0f}", f"{wear.max():,.0f}"
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="20">{html.escape(title)}: profit over wear, JPY a day</text>'
        f'<text x="{MARGIN}" y="36">larger: promises missed more often; darker: larger steps</text>'
        f'<path d="M{MARGIN} {MARGIN} V{bottom} H{right}" fill="none" stroke="#444"/>'
        f'<text x="{MARGIN - 4}" y="{bottom}" text-anchor="end">{low}</text>'
        f'<text x="{MARGIN - 4}" y="{MARGIN + 4}" text-anchor="end">{high}</text>'
        f'<text x="{MARGIN}" y="{bottom + 16}">{least}</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{most}</text>{dots}</svg>'
    )


def _part(values: FloatArray) -> FloatArray:
    """Place of each value between the least (0) and the greatest (1)."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
