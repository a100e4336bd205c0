"""What a connector's status means. Pure tables of both versions.

None stands for "the status does not say". ``rests``: no energy can flow, for there is no
transaction; where a transaction is possible only a meter value tells the power.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

VERSION_16: Final = "1.6"
VERSION_201: Final = "2.0.1"
SUBPROTOCOLS: Final[Mapping[str, str]] = MappingProxyType(
    {VERSION_16: "ocpp1.6", VERSION_201: "ocpp2.0.1"}
)
"""Name of each version in the opening handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorState:
    """What a status says of a connector.

    Attributes
    ----------
    connected : bool or None
        A car is plugged in.
    ready : bool
        Able to charge, now or with a car.
    faulted : bool
        Out of order.
    rests : bool
        No energy flows.
    """

    connected: bool | None
    ready: bool
    faulted: bool
    rests: bool


_FREE: Final = ConnectorState(connected=False, ready=True, faulted=False, rests=True)
_BETWEEN: Final = ConnectorState(connected=None, ready=True, faulted=False, rests=True)
_CAR: Final = ConnectorState(connected=True, ready=True, faulted=False, rests=False)
_OFF: Final = ConnectorState(connected=None, ready=False, faulted=False, rests=True)
_BROKEN: Final = ConnectorState(connected=None, ready=False, faulted=True, rests=True)

STATES: Final[Mapping[str, Mapping[str, ConnectorState]]] = MappingProxyType(
    {
        VERSION_16: MappingProxyType(
            {
                "Available": _FREE,
                "Preparing": _BETWEEN,
                "Charging": _CAR,
                "SuspendedEVSE": _CAR,
                "SuspendedEV": _CAR,
                "Finishing": _BETWEEN,
                "Reserved": _FREE,
                "Unavailable": _OFF,
                "Faulted": _BROKEN,
            }
        ),
        VERSION_201: MappingProxyType(
            {
                "Available": _FREE,
                "Occupied": _CAR,
                "Reserved": _FREE,
                "Unavailable": _OFF,
                "Faulted": _BROKEN,
            }
        ),
    }
)
"""By version and status.

Notes
-----
OCPP 1.6, 4.9 and ChargePointStatus; OCPP 2.0.1 part 2, ConnectorStatusEnumType. ``Occupied``
may be a transaction or not; ``Preparing`` and ``Finishing`` may be a cable or only a person.
"""


def connector_state(version: str, status: str) -> ConnectorState | None:
    """Meaning of a status; None for a word the version does not have."""
    return STATES[version].get(status)
