"""A charger: a car's physics, transactions and profiles, and what it has to say.

Pure: the server (:mod:`firmware_sim.servers.ocpp`) connects it, hands it the central system's
calls and takes its own. Its car is at connector 1; the others are free. Messages about
transactions wait while it is offline and leave in order when it is back.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import Machine, MachineState
from firmware_sim.devices.ocpp import messages
from firmware_sim.devices.ocpp.messages import Call, Moment, Session
from firmware_sim.devices.ocpp.metering import MeterState, sampled_values
from firmware_sim.devices.ocpp.outbox import Outbox
from firmware_sim.devices.ocpp.profiles import ProfileStore
from firmware_sim.devices.ocpp.settings import Settings
from firmware_sim.faults import Fault, FaultKind, FaultState
from protocols.ocpp.charging import Supply
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import Words, number_of, time_text
from protocols.templates.ocpp import OcppWire
from protocols.templates.template import Template

CAR: Final = 1
"""Connector of the car."""
_WRONG_CONNECTORS: Final = 40
_RUNS_W: Final = 1.0


@dataclass(slots=True)
class _Timers:
    """When something is due next, Unix s."""

    heartbeat_s: float
    sample_s: float = 0.0
    aligned_s: float = 0.0


class OcppDevice:
    """One simulated charger.

    Parameters
    ----------
    template : Template
        Its family.
    machine : Machine
        Its physics.
    name : str
        ``"site/device"``; its charge point id is the part after the last ``/``.
    wall_s : float
        Unix time it is made at.

    Attributes
    ----------
    name, identity, wire, supply
        Who it is and what its template says.
    faults, reading
        What is wrong with it, and the truth after the last advance.
    profiles, settings
        What the central system told it.
    """

    def __init__(self, template: Template, machine: Machine, *, name: str, wall_s: float) -> None:
        assert isinstance(template.wire, OcppWire), "a charger's template"
        plate = template.nameplate
        self.name = name
        self.identity = name.rpartition("/")[2]
        self.wire: OcppWire = template.wire
        self.supply: Supply = template.wire.supply(
            power_w_rated=-plate.power_w_min, power_w_least=plate.power_w_least
        )
        self.faults = FaultState()
        self.reading = Reading()
        self.profiles = ProfileStore(self.supply, self.wire.connectors)
        self.settings = Settings(self.wire)
        self._template = template
        self._machine = machine
        self._wall_s = wall_s
        self._timers = _Timers(heartbeat_s=wall_s)
        self._heartbeat_s = 60.0
        self._session: Session | None = None
        self._sessions = 0
        self._told = ""
        self._online = False
        self._stuck: MachineState | None = None
        self._outbox = Outbox(self.wire.version)

    # --- physics and faults --------------------------------------------------------------

    def advance(self, span: Span) -> None:
        """Let time pass under the limits that hold now."""
        self._wall_s = span.end_s
        own_s = self.own_s
        self.profiles.forget_ended(own_s)
        allowed_w = self.profiles.connector_w(own_s)
        self._machine.limit(power_w_min=-allowed_w, power_w_max=self._state.power_w_max)
        self.reading = self._machine.advance(span)
        self._follow_car()

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Begin a fault."""
        self._wall_s = wall_s
        if fault.kind is FaultKind.RESTARTED:
            self.restart(wall_s)
            return
        if fault.kind is FaultKind.STUCK:
            self._stuck = self._machine.state()
        self.faults = self.faults.with_fault(fault)

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault."""
        self.faults = self.faults.without(kind)
        if kind is FaultKind.STUCK:
            self._stuck = None

    def restart(self, wall_s: float) -> None:
        """Lose profiles, settings and the connection; the transaction ends with the power."""
        self._wall_s = wall_s
        self._end_session("PowerLoss")
        self._machine.restart()
        self.profiles.clear(None)
        self.settings = Settings(self.wire)
        self._online = False
        self._told = ""

    # --- the wire ------------------------------------------------------------------------

    @property
    def own_s(self) -> float:
        """Its own clock, Unix s."""
        return self._wall_s + self.faults.clock_offset_s

    @property
    def online(self) -> bool:
        """Whether it believes to be connected; a restart ends that."""
        return self._online

    @property
    def stamp(self) -> str:
        """Its own time as it writes it."""
        return time_text(datetime.fromtimestamp(self.own_s, tz=UTC))

    def connected(self, wall_s: float) -> None:
        """Take note of a new connection: boot, then tell every connector's status."""
        self._wall_s = wall_s
        self._online = True
        self._outbox.cut()
        self.say("BootNotification")
        self.say("StatusNotification")

    def disconnected(self) -> None:
        """Take note that the connection is gone; what is about transactions is kept."""
        self._online = False
        self._outbox.cut()

    def next_call(self, wall_s: float) -> Call | None:
        """Take the call that is due; one about a transaction stays until it is answered."""
        self._wall_s = max(self._wall_s, wall_s)
        self._make_due()
        return self._outbox.next()

    def answered(self, call: Call, answer: Words | None) -> None:
        """Take the central system's answer to a call; None if the call is given up."""
        self._outbox.answered(call, answer)
        if call.action == "BootNotification" and answer is not None:
            self._heartbeat_s = max(1.0, number_of(answer, "interval") or 60.0)
            self._timers.heartbeat_s = self._wall_s + self._heartbeat_s

    def say(self, message: str, *, connector: int | None = None) -> bool:
        """Queue a message; False if it has no such message.

        Parameters
        ----------
        message : str
            ``"BootNotification"``, ``"Heartbeat"``, ``"StatusNotification"`` or
            ``"MeterValues"``.
        connector : int or None
            Of which; None or 0: of all.
        """
        if message == "BootNotification":
            model = self._template.template_id.removeprefix("ocpp-")
            boot = messages.boot(self.wire.version, model=model, serial=self.identity)
            self._outbox.say(boot)
        elif message == "Heartbeat":
            self._outbox.say(Call(action="Heartbeat", words={}))
        elif message == "StatusNotification":
            self._say_status(connector)
        elif message == "MeterValues":
            self._say_values(connector, "Trigger")
        else:
            return False
        return True

    # --- what it says ---------------------------------------------------------------------

    def _say_status(self, connector: int | None) -> None:
        """Queue the status of one connector or of all."""
        self._told = self._status()
        for place in range(1, self.wire.connectors + 1):
            if connector in {None, 0, place}:
                state = self._told if place == CAR else "Available"
                self._outbox.say(
                    messages.status(
                        self.wire.version,
                        connector=self._shown(place),
                        state=state,
                        stamp=self.stamp,
                    )
                )

    def _say_values(self, connector: int | None, context: str) -> None:
        """Queue meter values of one connector or of all."""
        for place in range(1, self.wire.connectors + 1):
            if connector in {None, 0, place}:
                self._outbox.say(
                    messages.meter_values(
                        self.wire.version,
                        connector=self._shown(place),
                        moment=self._moment(place, context),
                        session=None,
                    )
                )

    # --- inside --------------------------------------------------------------------------

    @property
    def _state(self) -> MachineState:
        return self._stuck if self._stuck is not None else self._machine.state()

    def _shown(self, connector: int) -> int:
        wrong = self.faults.has(FaultKind.WRONG_UNIT)
        return connector + _WRONG_CONNECTORS if wrong else connector

    def _status(self) -> str:
        """Status of the car's connector."""
        state = self._machine.state()
        if not state.connected:
            return "Available"
        if self.wire.version != VERSION_16:
            return "Occupied"
        if abs(state.power_w) > _RUNS_W:
            return "Charging"
        return "SuspendedEVSE" if self.profiles.connector_w(self.own_s) <= 0.0 else "SuspendedEV"

    def _follow_car(self) -> None:
        """Start and end transactions as the car comes and goes; tell a changed status."""
        here = self._machine.state().connected
        if here and self._session is None:
            self._begin_session()
        elif not here and self._session is not None:
            self._end_session("EVDisconnected")
        if self._online and self._status() != self._told:
            self._say_status(CAR)

    def _begin_session(self) -> None:
        self._sessions += 1
        local_id = f"{self.identity}-{int(self._wall_s)}-{self._sessions}"[-36:]
        self._session = session = Session(local_id)
        moment = self._moment(CAR, "Transaction.Begin")
        self._keep(
            messages.started(self.wire.version, connector=CAR, moment=moment, session=session)
        )
        self._timers.sample_s = self._wall_s + self.settings.sample_s

    def _end_session(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            moment = self._moment(CAR, "Transaction.End")
            self._keep(
                messages.ended(self.wire.version, moment=moment, session=session, reason=reason)
            )

    def _keep(self, call: Call) -> None:
        self._outbox.keep(call, online=self._online)

    def _make_due(self) -> None:
        """Queue what is due by the clock."""
        timers, now_s = self._timers, self._wall_s
        timers.sample_s = min(timers.sample_s, now_s + self.settings.sample_s)
        if now_s >= timers.heartbeat_s:
            timers.heartbeat_s = now_s + self._heartbeat_s
            if self._online:
                self.say("Heartbeat")
        if self._session is not None and now_s >= timers.sample_s:
            timers.sample_s = _next_s(timers.sample_s, self.settings.sample_s, now_s)
            self._sample(self._session)
        if self.settings.aligned_s and now_s >= timers.aligned_s:
            timers.aligned_s = _next_s(timers.aligned_s, self.settings.aligned_s, now_s)
            if self._online:
                self._say_values(None, "Sample.Clock")

    def _sample(self, session: Session) -> None:
        """Queue the periodic values of the transaction."""
        moment = self._moment(CAR, "Sample.Periodic")
        if self.wire.version == VERSION_16:
            self._keep(
                messages.meter_values(
                    self.wire.version,
                    connector=self._shown(CAR),
                    moment=moment,
                    session=session,
                )
            )
        else:
            charging = abs(self._state.power_w) > _RUNS_W
            state = "Charging" if charging else "SuspendedEV"
            call = messages.updated(
                moment=moment, session=session, trigger="MeterValuePeriodic", state=state
            )
            if self._shown(CAR) != CAR:
                call = replace(call, words={**call.words, "evse": {"id": self._shown(CAR)}})
            self._keep(call)

    def _moment(self, connector: int, context: str) -> Moment:
        """Measure a connector now."""
        state = self._state
        mine = connector == CAR
        meter = MeterState(
            power_w_in=max(-state.power_w, 0.0) if mine else 0.0,
            power_w_out=max(state.power_w, 0.0) if mine else 0.0,
            energy_wh_in=state.energy_wh_in if mine else 0.0,
            energy_wh_out=state.energy_wh_out if mine else 0.0,
            soc=state.soc if mine else None,
            voltage_v=self.wire.voltage_v,
        )
        values = sampled_values(
            self.wire, meter, context=context, quirks=self._template.quirks, faults=self.faults
        )
        return Moment(stamp=self.stamp, energy_wh=meter.energy_wh_in, values=values)


def _next_s(due_s: float, every_s: float, now_s: float) -> float:
    """Next multiple after now; what was missed is left out."""
    if due_s <= 0.0 or now_s - due_s > every_s:
        return (now_s // every_s + 1.0) * every_s
    return due_s + every_s


def simulated_device(
    template: Template, machine: Machine, *, name: str, wall_s: float
) -> OcppDevice:
    """Make a charger of a template."""
    return OcppDevice(template, machine, name=name, wall_s=wall_s)
