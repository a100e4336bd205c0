"""How writes end: what a device's error means, and those that never came as far as a device."""

from collections.abc import Callable
from datetime import datetime

from edge_agent.drivers.field_device import Carried, DeviceOrders, Order
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.vocabulary.errors import (
    DeviceError,
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    LocalProtocolError,
)
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.setpoint import Setpoint


def not_carried_out(
    resource_id: ResourceId,
    setpoint: Setpoint | None,
    *,
    state: WriteState,
    detail: str,
    at: datetime,
) -> WriteOutcome:
    """Outcome of a setpoint, or of a release (None), that nobody could be told."""
    return WriteOutcome(
        resource_id=resource_id,
        sequence=0 if setpoint is None else setpoint.sequence,
        state=state,
        read_back_w=None,
        detail=detail,
        finished_at=at,
    )


async def carried_out(
    orders: DeviceOrders, order: Order, superseded: Callable[[], bool]
) -> Carried:
    """Carry out an order; a device that does not do it is an outcome like any other."""
    try:
        return await orders.carry_out(order, superseded)
    except DeviceTimeoutError as error:
        return Carried(state=WriteState.TIMEOUT, detail=f"{order.detail}: {error}")
    except (DeviceRefusedError, DeviceUnsupportedError, LocalProtocolError) as error:
        return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {error}")
    except DeviceError as error:
        return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: {error}")
