"""Plans of the commands that are not a plain power: signed, in per cent, and "less"."""

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.drivers.echonet_lite.classes import facts_of
from edge_agent.drivers.echonet_lite.commands import (
    Abilities,
    WritePlan,
    plan_release,
    plan_setpoint,
    setting_power_w,
)
from edge_agent.drivers.echonet_lite.values import Held, readings
from edge_agent.points import table
from protocols.vocabulary.errors import DeviceUnsupportedError
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import Measurement, Quality

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
PV, V2H, AIR, SUB_METER = 0x0279, 0x027E, 0x0130, 0x028D


def word(value: int, size: int = 2) -> bytes:
    return value.to_bytes(size, "big", signed=value < 0)


def abilities(
    class_code: int,
    settable: set[int],
    settings: dict[int, bytes] | None = None,
    **more: object,
) -> Abilities:
    return Abilities(
        class_code=class_code, settable=frozenset(settable), settings=settings or {}, **more
    )


def plan(known: Abilities, power_w: float) -> WritePlan:
    command = facts_of(known.class_code).command
    assert command is not None
    return plan_setpoint(command, known, power_w=power_w, lease_s=60.0)


def release(known: Abilities) -> WritePlan:
    command = facts_of(known.class_code).command
    assert command is not None
    return plan_release(command, known)


def steps(made: WritePlan) -> dict[int, str]:
    return {step.epc: step.edt.hex() for step in made.steps}


def read(class_code: int, values: dict[int, bytes], age_s: float = 0.0) -> dict[str, Measurement]:
    held = {epc: Held(edt, NOW - timedelta(seconds=age_s)) for epc, edt in values.items()}
    found = readings(facts_of(class_code), "d", held, changed=set(held), energy_wh_capacity=0.0)
    return {point.removeprefix("d."): measurement for point, measurement in found}


# --- V2H by one signed power --------------------------------------------------------------


@pytest.mark.parametrize(("power_w", "edt"), [(3_000.0, "fffff448"), (-3_000.0, "00000bb8")])
def test_a_signed_power_is_turned_once(power_w: float, edt: str) -> None:
    """If it fails, a car told to feed the house takes power from it."""
    known = abilities(V2H, {0xDA, 0xDC, 0xDD, 0xE0})
    made = plan(known, power_w)
    assert steps(made) == {0xDC: "06", 0xDD: "06", 0xE0: edt, 0xDA: "46"}
    assert list(steps(made))[-1] == 0xDA
    told = {step.epc: step.edt for step in made.steps}
    command = facts_of(V2H).command
    assert command is not None
    assert setting_power_w(command, V2H, told) == made.power_w == power_w
    assert read(V2H, told)["setpoint_w"].value == power_w


def test_power_for_each_way_is_preferred_to_a_signed_one() -> None:
    """If it fails, a V2H whose energy could be bounded is driven without a bound."""
    made = plan(abilities(V2H, {0xDA, 0xDC, 0xDD, 0xE0, 0xE7, 0xEA, 0xEB, 0xEC}), -2_000.0)
    assert set(steps(made)) == {0xDC, 0xE7, 0xEB, 0xDA}


# --- PV in per cent -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power_w", "percent", "limit_w"),
    [(2_499.0, 49, 2_450.0), (0.0, 0, 0.0), (9_999.0, 100, 5_000.0), (-10.0, 0, 0.0)],
)
def test_a_limit_in_per_cent_is_never_passed(power_w: float, percent: int, limit_w: float) -> None:
    """If it fails, PV gives more than the grid operator allows."""
    made = plan(abilities(PV, {0xA0}, {0xC3: word(5_000)}), power_w)
    assert steps(made) == {0xA0: f"{percent:02x}"}
    assert made.power_w == limit_w


def test_a_limit_in_per_cent_of_nothing_known_is_refused() -> None:
    """If it fails, the share is taken of a guess."""
    with pytest.raises(DeviceUnsupportedError, match="share of is not known"):
        plan(abilities(PV, {0xA0}, {0xC3: b"\xff\xff"}), 1_000.0)


def test_a_limit_in_watts_is_preferred_and_the_lowest_in_force_is_told() -> None:
    """If it fails, a limit that somebody else set in per cent is not seen."""
    known = abilities(PV, {0xA0, 0xA1}, {0xC3: word(5_000)})
    assert steps(plan(known, 1_234.0)) == {0xA1: "04d2"}
    settings = {0xA0: b"\x14", 0xA1: word(5_000), 0xC3: word(5_000)}
    command = facts_of(PV).command
    assert command is not None
    assert setting_power_w(command, PV, settings) == 1_000.0


def test_per_cent_is_read_as_watts() -> None:
    """If it fails, a limit of 20 % is shown as 0.2 W."""
    found = read(PV, {0xA0: b"\x14", 0xC3: word(5_000)})
    assert found["limit_w"].value == 1_000.0
    unknown = read(PV, {0xA0: b"\x14"})["limit_w"]
    assert (unknown.value, unknown.quality) == (None, Quality.BAD)
    assert "rating" in unknown.reason


def test_per_cent_is_released_to_what_was_before_or_to_all() -> None:
    """If it fails, a limit stays after its lease, or a standing one of the owner is lifted."""
    assert steps(release(abilities(PV, {0xA0}, {}, originals={0xA0: b"\x50"}))) == {0xA0: "50"}
    made = release(abilities(PV, {0xA0}))
    assert steps(made) == {0xA0: "64"}
    assert made.restores


# --- air conditioner: less ----------------------------------------------------------------


COOLING = {0xB0: b"\x42", 0xB3: b"\x1a", 0x8F: b"\x42"}


def test_saving_is_asked_and_nobody_claims_a_power() -> None:
    """If it fails, control counts on watts that no air conditioner promised."""
    made = plan(abilities(AIR, {0x80, 0x8F, 0xB0, 0xB3}, COOLING), 0.0)
    assert steps(made) == {0x8F: "41"}
    assert made.power_w is None


@pytest.mark.parametrize(
    ("mode", "usual", "moved"),
    [
        (0x42, 26, 28),
        (0x42, 28, 29),
        (0x42, 30, 30),
        (0x43, 22, 20),
        (0x43, 19, 18),
        (0x43, 16, 16),
    ],
)
def test_temperature_moves_to_less_and_stays_livable(mode: int, usual: int, moved: int) -> None:
    """If it fails, a room is cooled instead of let warm, or gets unlivable."""
    settings = {0xB0: bytes((mode,)), 0xB3: bytes((usual,))}
    assert steps(plan(abilities(AIR, {0xB3}, settings), 0.0)) == {0xB3: f"{moved:02x}"}


def test_asking_twice_does_not_move_twice() -> None:
    """If it fails, the room gets two degrees warmer with each re-armed lease."""
    settings = {0xB0: b"\x42", 0xB3: b"\x1c"}
    known = abilities(AIR, {0xB3}, settings, originals={0xB3: b"\x1a"})
    assert steps(plan(known, 0.0)) == {0xB3: "1c"}


@pytest.mark.parametrize(
    "settings", [{0xB0: b"\x41", 0xB3: b"\x1a"}, {0xB0: b"\x42", 0xB3: b"\xfd"}]
)
def test_what_is_no_temperature_of_cooling_or_heating_is_not_moved(
    settings: dict[int, bytes],
) -> None:
    """If it fails, an automatic or undefined temperature is overwritten by a guess."""
    with pytest.raises(DeviceUnsupportedError, match="no set temperature to move"):
        plan(abilities(AIR, {0xB3}, settings), 0.0)


def test_more_than_nothing_and_release_give_back_what_people_had_set() -> None:
    """If it fails, saving stays on after the event, or is switched off though people had it on."""
    known = abilities(AIR, {0x8F}, {0x8F: b"\x41"}, originals={0x8F: b"\x42"})
    assert steps(plan(known, -500.0)) == steps(release(known)) == {0x8F: "42"}
    assert release(known).restores
    people = abilities(AIR, {0x8F}, {0x8F: b"\x41"})
    assert steps(release(people)) == {0x8F: "41"}


def test_an_air_conditioner_without_either_is_refused() -> None:
    """If it fails, the driver writes what the device does not let set."""
    with pytest.raises(DeviceUnsupportedError, match="neither power saving nor"):
        plan(abilities(AIR, {0x80, 0xB0}, COOLING), 0.0)


# --- sub-meter ----------------------------------------------------------------------------


METER = {
    0xE7: word(-41, 4),
    0xE1: word(1_000, 4),
    0xE3: word(5, 4),
    0xD4: b"\x01",
    0xD3: word(20, 4),
}


def test_a_sub_meter_counts_behind_its_transformers() -> None:
    """If it fails, a building is measured at a twentieth of its power."""
    found = read(SUB_METER, METER)
    assert found["power_w"].value == 820.0
    assert found["energy_wh_imported"].value == 2_000_000.0
    assert found["energy_wh_exported"].value == 10_000.0


def test_a_sub_meter_without_a_ratio_has_one() -> None:
    """If it fails, a meter without transformers is not read."""
    plain = {epc: edt for epc, edt in METER.items() if epc != 0xD3}
    assert read(SUB_METER, plain)["power_w"].value == 41.0


@pytest.mark.parametrize("ratio", [b"\xff\xff\xff\xfe", word(0, 4), b"\x01"])
def test_a_ratio_that_is_none_gives_no_power(ratio: bytes) -> None:
    """If it fails, a power is shown that is wrong by an unknown factor."""
    power = read(SUB_METER, {**METER, 0xD3: ratio})[table.POWER_W]
    assert (power.value, power.quality) == (None, Quality.BAD)
    assert "coefficient" in power.reason


def test_a_multi_input_conditioner_reads_its_list() -> None:
    """If it fails, nobody learns what is behind a conditioner, and it is counted twice."""
    assert 0xE8 in facts_of(0x02A5).slow
    assert read(0x02A5, {0xE7: word(1_500, 4)}).keys() == {PointId("power_w")}
    assert read(0x02A5, {0xE7: word(1_500, 4)})["power_w"].value == -1_500.0
