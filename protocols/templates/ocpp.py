"""The OCPP part of a template: version, units and what a charger tells and takes."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.ocpp.charging import Supply
from protocols.templates.table import Table, choice

_PER_PHASE: Final = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppWire:
    """A charger that connects to the gateway's central system.

    Attributes
    ----------
    version : str
        ``"1.6"`` or ``"2.0.1"``.
    direct : bool
        A DC charger; no phases are told with its limits.
    rate_unit : str
        ``"W"`` or ``"A"``: unit of its charging profiles.
    rate_step : float
        Resolution of its limits, in that unit.
    phases : int
        1 or 3.
    voltage_v : float
        Phase voltage for amperes.
    current_a_least : float
        Smallest charging current it works at (6 A by IEC 61851); less is a pause.
    purpose : str
        Of the profile that bounds it: ``"max"`` for the whole charger, ``"tx-default"`` for
        each connector.
    stack_level : int
        Of that profile; one above an installer's leaves his in place.
    measurands : tuple of str
        What its meter values hold.
    sample_s : int
        Pause between the meter values of a transaction that we configure; with
        ``sample_fixed`` the one it has.
    sample_fixed : bool
        It does not let that pause be set.
    aligned_s : int
        Pause between clock-aligned meter values that we configure, which come without a
        transaction too; 0: it has none.
    trigger : bool
        Whether it sends a message when it is asked to (TriggerMessage).
    composite_schedule : bool
        Whether it answers GetCompositeSchedule.
    connectors : int
        How many; each is an EVSE of its own in 2.0.1.
    """

    protocol: ClassVar[str] = "ocpp"
    version: str
    direct: bool
    rate_unit: str
    rate_step: float
    phases: int
    voltage_v: float
    current_a_least: float
    purpose: str
    stack_level: int
    measurands: tuple[str, ...]
    sample_s: int
    sample_fixed: bool
    aligned_s: int
    trigger: bool
    composite_schedule: bool
    connectors: int

    def supply(self, *, power_w_rated: float, power_w_least: float) -> Supply:
        """Say what its limits are made of.

        Parameters
        ----------
        power_w_rated, power_w_least : float
            The most it charges with, and the least beside :attr:`current_a_least`, W >= 0.
        """
        return Supply(
            unit=self.rate_unit,
            phases=self.phases,
            voltage_v=self.voltage_v,
            current_a_least=self.current_a_least,
            power_w_least=power_w_least,
            step=self.rate_step,
            power_w_rated=power_w_rated,
            direct=self.direct,
        )


def ocpp_wire(table: Table) -> OcppWire:
    """Parse ``[wire]``.

    Raises
    ------
    ConfigError
        For the first thing that is wrong.
    """
    phases = table.integer("phases", 1, low=1, high=3)
    if phases not in _PER_PHASE:
        raise table.refuse("phases", f"{phases} is neither 1 nor 3")
    unit = choice(table, "rate_unit", ("W", "A"))
    return OcppWire(
        version=choice(table, "version", ("1.6", "2.0.1")),
        direct=table.yes("direct", default=False),
        rate_unit=unit,
        rate_step=table.number("rate_step", 1.0, low=0.1, high=1000.0),
        phases=phases,
        voltage_v=table.number("voltage_v", 200.0, low=90.0, high=1000.0),
        current_a_least=table.number("current_a_least", 6.0, low=0.0, high=100.0),
        purpose=choice(table, "purpose", ("max", "tx-default"), default="max"),
        stack_level=table.integer("stack_level", 1, high=99),
        measurands=table.listed("measurands", str),
        sample_s=table.integer("sample_s", 1, low=1, high=3600),
        sample_fixed=table.yes("sample_fixed", default=False),
        aligned_s=table.integer("aligned_s", 0, high=3600),
        trigger=table.yes("trigger", default=True),
        composite_schedule=table.yes("composite_schedule", default=True),
        connectors=table.integer("connectors", 1, low=1, high=64),
    )
