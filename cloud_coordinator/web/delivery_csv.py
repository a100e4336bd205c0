"""A delivery as CSV: one row per second, two columns per site, sent in pieces."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from aiohttp import web

from cloud_coordinator.services.queries import DeliveryView
from cloud_coordinator.web.award_views import site_tables
from cloud_coordinator.web.problems import Kind, ProblemError
from cloud_coordinator.web.routing import Context
from protocols.vocabulary.intervals import utc_from_seconds

PIECE_CELLS: Final = 20_000
SEND_TIMEOUT_S: Final = 20.0
"""A reader that takes no piece for so long is cut off."""


async def send_csv(
    request: web.Request, context: Context, read: Callable[[], DeliveryView]
) -> web.StreamResponse:
    """Send all of a delivery.

    Raises
    ------
    ProblemError
        BUSY, if too many are being sent.
    """
    if context.streams.locked():
        raise ProblemError(Kind.BUSY, "too many deliveries are being sent; try again")
    async with context.streams:
        view = await context.heavy.run(read)
        name = view.award.obligation.obligation_id
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="delivery-{name}.csv"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        pieces = csv_pieces(view)
        try:
            while piece := await asyncio.to_thread(next, pieces, ""):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await response.write(piece.encode())
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionResetError:
            pass
        return response


def csv_pieces(view: DeliveryView) -> Iterator[str]:
    """Make the text, piece by piece.

    Parameters
    ----------
    view : DeliveryView
        What the store says.

    Yields
    ------
    str
        The header, then rows; W with three digits, empty where the store has no row.
    """
    names = ["time_utc", "second", "promised_w", "delivered_w", "sites_present", "complete"]
    for site in view.sites:
        names += [f"{site}.delivered_w", f"{site}.share_w"]
    yield ",".join(names) + "\r\n"
    delivered, share = site_tables(view)
    series = view.series
    rows = max(1, PIECE_CELLS // len(names))
    for begin in range(0, len(series.second), rows):
        lines = []
        for row in range(begin, min(begin + rows, len(series.second))):
            second = int(series.second[row])
            cells = [
                utc_from_seconds(second).strftime("%Y-%m-%dT%H:%M:%SZ"),
                str(second),
                _cell(series.promised_w[row]),
                _cell(series.delivered_w[row]),
                str(int(series.sites_present[row])),
                "1" if series.complete[row] else "0",
            ]
            for place in range(len(view.sites)):
                cells += [_cell(delivered[place, row]), _cell(share[place, row])]
            lines.append(",".join(cells))
        yield "\r\n".join(lines) + "\r\n"


def _cell(value: np.float64) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""
