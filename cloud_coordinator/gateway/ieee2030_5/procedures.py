"""Instructions of a conformance suite, and of an operator's scripts, done on the role.

The suite's words (cactus-client, CSIP-AUS): which client, what it is to find. Each procedure
starts from nothing for its clients. Pure use of the operator's desks; JSON is read elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.events import listed_until
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.state import Assignment, Control, Device, Program
from protocols.ieee2030_5.units import encode_active_power
from protocols.vocabulary.errors import ConfigError

Value = str | int | float | bool | None

FIRST_START_S: Final = 20
"""How far ahead a scheduled control begins when nothing is said and none is before it."""
SCHEDULED_S: Final = 30
ACTIVE_S: Final = 300
"""Durations when nothing is said."""
PRIMACY: Final = 1
_NAME_LENGTH: Final = 64
DEFAULT_NAME: Final = "default"
_LIMITS: Final = {
    "opModExpLimW": "op_mod_exp_lim_w",
    "opModImpLimW": "op_mod_imp_lim_w",
    "opModGenLimW": "op_mod_gen_lim_w",
    "opModLoadLimW": "op_mod_load_lim_w",
    "opModTargetW": "op_mod_target_w",
}
"""Active powers in W."""
_SWITCHES: Final = {"opModConnect": "op_mod_connect", "opModEnergize": "op_mod_energize"}
_NUMBERS: Final = {
    "opModFixedW": "op_mod_fixed_w",
    "opModMaxLimW": "op_mod_max_lim_w",
    "rampTms": "ramp_tms",
}
"""As on the wire: hundredths of a percent, hundredths of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Whom an instruction is about.

    Attributes
    ----------
    lfdi : str
        Of its EndDevice, upper case.
    certificate_lfdi : str
        Of its certificate; another one for an aggregator.
    pin : int or None
        As on the wire.
    """

    lfdi: str
    certificate_lfdi: str
    pin: int | None

    @property
    def aggregator(self) -> bool:
        """Whether its certificate speaks for devices with other identities."""
        return self.lfdi != self.certificate_lfdi


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    type : str
        Its word.
    client : Client
        Whom it is about.
    parameters : Mapping
        By the suite's names.
    """

    type: str
    client: Client
    parameters: Mapping[str, Value]

    def number(self, name: str) -> float | None:
        """Take a parameter that is a number.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        value = self.parameters.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{name} is no number: {value!r}")
        return float(value)

    def whole(self, name: str) -> int | None:
        """Take a parameter that is an integer.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        value = self.number(name)
        if value is not None and not value.is_integer():
            raise ConfigError(f"{name} is no integer: {value!r}")
        return None if value is None else int(value)

    def truth(self, name: str) -> bool | None:
        """Take a parameter that is true or false.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        value = self.parameters.get(name)
        if value is not None and not isinstance(value, bool):
            raise ConfigError(f"{name} is neither true nor false: {value!r}")
        return value

    def text(self, name: str) -> str | None:
        """Take a parameter that is text.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        value = self.parameters.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{name} is no text: {value!r}")
        return value


def known(word: str) -> bool:
    """Whether there is such an instruction."""
    return word in _DOERS


def carry_out(role: Server, now: int, instruction: Instruction) -> None:
    """Do what an instruction says.

    Raises
    ------
    ConfigError
        If a parameter is wrong.
    LocalProtocolError
        If it asks for something impossible.
    """
    _DOERS[instruction.type](role, now, instruction)


def start_over(role: Server, client: Client) -> None:
    """Forget a client and all that was made for it."""
    for lfdi in (client.lfdi, client.certificate_lfdi):
        device = role.devices.find(lfdi)
        if device is not None:
            for number in device.assignments:
                assignment = role.state.assignments.get(number)
                if assignment is not None:
                    role.programs.remove_assignment(assignment)
            role.devices.remove(device)
    role.devices.clear_poll_rates(client.certificate_lfdi)
    role.devices.grant(client.certificate_lfdi, granted=True, aggregator=client.aggregator)


def _ensure_end_device(role: Server, now: int, order: Instruction) -> None:
    client = order.client
    role.devices.grant(client.certificate_lfdi, granted=True, aggregator=client.aggregator)
    if client.aggregator:
        role.devices.register(client.certificate_lfdi, owner=client.certificate_lfdi, now=now)
    if order.truth("registered"):
        role.devices.register(client.lfdi, owner=client.certificate_lfdi, now=now, pin=client.pin)
        return
    found = role.devices.find(client.lfdi)
    if found is not None:
        role.devices.remove(found)


def _ensure_fsa(role: Server, now: int, order: Instruction) -> None:
    del now
    _assignment(role, _device(role, order), order.text("annotation") or DEFAULT_NAME)


def _ensure_der_program(role: Server, now: int, order: Instruction) -> None:
    del now
    device = _device(role, order)
    assignment = _assignment(role, device, order.text("fsa_annotation") or DEFAULT_NAME)
    primacy = order.whole("primacy")
    there = [p for n in assignment.programs if (p := role.state.programs.get(n)) is not None]
    if not any(primacy is None or program.primacy == primacy for program in there):
        made = role.programs.add_program(
            f"program {assignment.name}", primacy=PRIMACY if primacy is None else primacy
        )
        role.programs.include(assignment, made)


def _ensure_der_control_list(role: Server, now: int, order: Instruction) -> None:
    del now
    _program(role, order)


def _ensure_mup_list_empty(role: Server, now: int, order: Instruction) -> None:
    del now
    found = role.devices.find(order.client.lfdi)
    if found is not None:
        role.devices.clear_mirrors(found)


def _create_der_control(role: Server, now: int, order: Instruction) -> None:
    program = _program(role, order)
    active = order.text("status") != "scheduled"
    duration_s = order.whole("duration_seconds")
    offset_s = order.whole("start_offset_seconds")
    start = now
    if offset_s is not None:
        start = now + offset_s
    elif not active:
        start = max([now + FIRST_START_S, *_ends(role, program)])
    wanted = ControlOrder(
        base=_base(order),
        start=start,
        duration_s=duration_s or (ACTIVE_S if active else SCHEDULED_S),
        randomize_start_s=order.whole("randomizeStart_seconds"),
    )
    role.programs.issue(program, wanted, now=now)


def _create_default_der_control(role: Server, now: int, order: Instruction) -> None:
    del now
    role.programs.set_default(
        _program(role, order), _base(order), set_grad_w=order.whole("setGradW")
    )


def _clear_der_controls(role: Server, now: int, order: Instruction) -> None:
    device = _device(role, order)
    controls: list[Control] = []
    for program in _programs(role, device):
        controls += [
            control
            for control in role.state.controls.where("program", program.number)
            if control.cancelled_at is None and now < listed_until(control)
        ]
    controls.sort(key=lambda control: control.number)
    for control in controls if order.truth("all") else controls[-1:]:
        role.programs.cancel(control, now=now)


def _set_poll_rate(role: Server, now: int, order: Instruction) -> None:
    del now
    kind, seconds = order.text("resource"), order.whole("rate_seconds")
    if not kind or len(kind) > _NAME_LENGTH or not seconds or seconds < 1:
        raise ConfigError("set-poll-rate wants resource and rate_seconds")
    role.devices.set_poll_rate(order.client.certificate_lfdi, kind, seconds)


def _set_post_rate(role: Server, now: int, order: Instruction) -> None:
    del now
    seconds = order.whole("rate_seconds")
    if not seconds or seconds < 1:
        raise ConfigError("set-post-rate wants rate_seconds")
    role.devices.set_post_rate(_device(role, order), seconds)


def _set_client_access(role: Server, now: int, order: Instruction) -> None:
    del now
    granted = order.truth("granted")
    if granted is None:
        raise ConfigError("set-client-access wants granted")
    client = order.client
    role.devices.grant(client.certificate_lfdi, granted=granted, aggregator=client.aggregator)


_DOERS: Final[Mapping[str, Callable[[Server, int, Instruction], None]]] = {
    "ensure-end-device": _ensure_end_device,
    "ensure-fsa": _ensure_fsa,
    "ensure-der-program": _ensure_der_program,
    "ensure-der-control-list": _ensure_der_control_list,
    "ensure-mup-list-empty": _ensure_mup_list_empty,
    "create-der-control": _create_der_control,
    "create-default-der-control": _create_default_der_control,
    "clear-der-controls": _clear_der_controls,
    "set-poll-rate": _set_poll_rate,
    "set-post-rate": _set_post_rate,
    "set-client-access": _set_client_access,
}


def _device(role: Server, order: Instruction) -> Device:
    found = role.devices.find(order.client.lfdi)
    if found is None:
        raise ConfigError(f"device {order.client.lfdi} is not registered")
    return found


def _assignment(role: Server, device: Device, name: str) -> Assignment:
    """Find an assignment of a device by its name, or make it."""
    for number in device.assignments:
        found = role.state.assignments.get(number)
        if found is not None and found.name == name:
            return found
    made = role.programs.add_assignment(name)
    role.programs.assign(device, made)
    return made


def _programs(role: Server, device: Device) -> list[Program]:
    """Programs of a device, the strongest first."""
    numbers = {
        program
        for number in device.assignments
        if (assignment := role.state.assignments.get(number)) is not None
        for program in assignment.programs
    }
    found = [program for n in numbers if (program := role.state.programs.get(n)) is not None]
    return sorted(found, key=lambda program: (program.primacy, program.number))


def _program(role: Server, order: Instruction) -> Program:
    """Program an instruction is about: of its primacy, else the strongest; made if needed."""
    device, primacy = _device(role, order), order.whole("primacy")
    for program in _programs(role, device):
        if primacy in {None, program.primacy}:
            return program
    first = role.state.assignments.get(device.assignments[0]) if device.assignments else None
    assignment = first or _assignment(role, device, DEFAULT_NAME)
    made = role.programs.add_program(
        f"program {assignment.name}", primacy=PRIMACY if primacy is None else primacy
    )
    role.programs.include(assignment, made)
    return made


def _ends(role: Server, program: Program) -> list[int]:
    """Collect the ends of a program's controls."""
    return [
        control.resource.interval.start + control.resource.interval.duration
        for control in role.state.controls.where("program", program.number)
        if control.cancelled_at is None
    ]


def _base(order: Instruction) -> DERControlBase:
    """Modes of an instruction."""
    values: dict[str, object] = {}
    for word, field in _LIMITS.items():
        power_w = order.number(word)
        if power_w is not None:
            values[field] = encode_active_power(power_w)
    for word, field in _SWITCHES.items():
        values[field] = order.truth(word)
    for word, field in _NUMBERS.items():
        values[field] = order.whole(word)
    return _DERControlBase(**values)


_DERControlBase: Callable[..., DERControlBase] = DERControlBase
