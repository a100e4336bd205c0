"""Chugoku: yearly hourly demand, its header beginning with DATA instead of DATE. Pure."""

from typing import Final

from cloud_coordinator.gateway.exchanges.files import Layout
from cloud_coordinator.gateway.exchanges.hourly_demand import is_hourly, read_hourly

_NAME: Final = "chugoku-hourly-demand"

LAYOUTS: Final = (
    Layout(
        name=_NAME,
        recognises=lambda file: is_hourly(file, first="DATA"),
        read=lambda file, told: read_hourly(file, told, first="DATA", name=_NAME, known="chugoku"),
    ),
)
