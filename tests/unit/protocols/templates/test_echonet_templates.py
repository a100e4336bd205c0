"""ECHONET Lite templates against our own property table and the driver's own plans."""

import math

import pytest

from edge_agent.drivers.echonet_lite.classes import facts_of
from edge_agent.drivers.echonet_lite.commands import (
    AMOUNT_EPCS,
    Abilities,
    plan_release,
    plan_setpoint,
)
from edge_agent.drivers.echonet_lite.facts import epcs_of
from protocols.echonet_lite.properties import Access, lookup, required_epcs
from protocols.templates.catalogue import catalogue, parse_template
from protocols.templates.echonet_lite import QUIRKS, EchonetWire
from protocols.templates.template import LeaseMechanism, Proof, Template
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

WIRES = {
    name: template.wire
    for name, template in catalogue().items()
    if isinstance(template.wire, EchonetWire)
}
KINDS = {
    0x027D: ResourceKind.BATTERY,
    0x02A5: ResourceKind.BATTERY,
    0x0279: ResourceKind.PV,
    0x027E: ResourceKind.EV_V2H,
    0x02A1: ResourceKind.EV_CHARGER,
    0x027C: ResourceKind.FUEL_CELL,
    0x026B: ResourceKind.HEAT_PUMP,
    0x0288: ResourceKind.METER,
    0x028D: ResourceKind.METER,
    0x0130: ResourceKind.LOAD,
}
PEERS = ("npm echonet-lite 2.16.2", "pychonet 2.8.2", "uecho 1.0.3")
SETTINGS = {
    0x0279: {0xC3: (5000).to_bytes(2, "big"), 0xA0: b"\x64", 0xA1: (5000).to_bytes(2, "big")},
    0x0130: {0x8F: b"\x42", 0xB0: b"\x42", 0xB3: b"\x1a"},
}


@pytest.fixture(params=sorted(WIRES))
def template(request: pytest.FixtureRequest) -> Template:
    return catalogue()[request.param]


def wire(template: Template) -> EchonetWire:
    return WIRES[template.template_id]


def abilities(template: Template) -> Abilities:
    """Abilities of a device whose maps are the template's."""
    plate = template.nameplate
    settings = SETTINGS.get(wire(template).class_code, {})
    return Abilities(
        class_code=wire(template).class_code,
        settable=wire(template).settable,
        settings={epc: edt for epc, edt in settings.items() if epc in wire(template).readable},
        charge_w=(0.0, -plate.power_w_min or math.inf),
        discharge_w=(0.0, plate.power_w_max or math.inf),
        remote_due=True,
    )


def commanded(template: Template) -> bool:
    """Whether the driver can command such a device at all."""
    command = facts_of(wire(template).class_code).command
    return command is not None and bool(epcs_of(command) & wire(template).settable - {0x93})


def test_there_is_a_family_of_every_kind() -> None:
    """A site with an EV charger or a fuel cell would have to be described by hand."""
    assert len(WIRES) >= 14
    assert {catalogue()[name].kind for name in WIRES} == set(ResourceKind)


def test_every_property_is_in_the_table_and_allows_it(template: Template) -> None:
    """The driver would ask for, or set, what no device of the class may have."""
    code = wire(template).class_code
    for epc in wire(template).readable | wire(template).settable:
        spec = lookup(code, epc)
        assert spec is not None, f"{epc:02X}"
        if epc in wire(template).readable:
            assert spec.get is not Access.NONE, f"{epc:02X} cannot be got"
        if epc in wire(template).settable:
            assert spec.set_ is not Access.NONE, f"{epc:02X} cannot be set"


def test_a_device_of_the_present_release_has_what_it_must(template: Template) -> None:
    """A template would describe a device that no certificate was ever given to."""
    if template.evidence.source.split(",")[0].endswith("Release R"):
        always = {0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x8C, 0x9D, 0x9E, 0x9F}
        needed = required_epcs(wire(template).class_code) - always
        assert needed <= wire(template).readable, sorted(
            f"{epc:02X}" for epc in needed - wire(template).readable
        )


def test_kind_and_class_agree(template: Template) -> None:
    """A battery would be read as a meter."""
    assert template.kind is KINDS[wire(template).class_code]


def test_what_the_driver_sets_is_settable(template: Template) -> None:
    """A setpoint would be refused by every device of the family."""
    command = facts_of(wire(template).class_code).command
    if not commanded(template):
        assert template.lease.mechanism is LeaseMechanism.NONE
        return
    assert command is not None
    for power_w in (template.nameplate.power_w_min, 0.0, template.nameplate.power_w_max):
        plan = plan_setpoint(command, abilities(template), power_w=power_w, lease_s=60.0)
        assert {step.epc for step in plan.steps} <= wire(template).settable
    release = plan_release(command, abilities(template))
    assert {step.epc for step in release.steps} <= wire(template).settable


def test_the_lease_is_what_the_drivers_plan_makes_of_it(template: Template) -> None:
    """A setpoint would be believed bounded by the device, and hold for ever."""
    if not commanded(template):
        return
    command = facts_of(wire(template).class_code).command
    assert command is not None
    plate = template.nameplate
    bounded = {
        any(step.epc in AMOUNT_EPCS for step in plan.steps)
        for plan in (
            plan_setpoint(command, abilities(template), power_w=power_w, lease_s=60.0)
            for power_w in (plate.power_w_min, plate.power_w_max)
            if power_w
        )
    }
    by_amount = template.lease.mechanism is LeaseMechanism.ENERGY_AMOUNT
    assert bounded == {by_amount}
    assert by_amount or template.lease.mechanism is LeaseMechanism.WATCHDOG


def test_default_is_a_power_only_where_release_is_one(template: Template) -> None:
    """Control would count on a power that the device never promised."""
    resting = wire(template).class_code in {0x027E, 0x02A1}
    assert (template.lease.default_power_w == 0.0) == resting


def test_evidence_names_only_peers_that_tests_run(template: Template) -> None:
    """A family would be called verified by nobody."""
    if template.evidence.proof is Proof.VERIFIED:
        assert set(template.evidence.by.split(", ")) <= set(PEERS)
    assert (template.writes.budget_per_day is not None) == ("assumed" in template.evidence.source)


def test_quirks_are_known(template: Template) -> None:
    """A deviation would be written down that neither driver nor simulator knows of."""
    assert set(template.quirks) <= QUIRKS


@pytest.mark.parametrize(
    ("key", "listed"),
    [("readable", '["E4", "E4"]'), ("readable", '["7F"]'), ("settable", '["100"]')],
)
def test_an_epc_that_cannot_be_is_refused(key: str, listed: str) -> None:
    """A slip in a file would surface at the device."""
    text = "\n".join(
        (
            'protocol = "echonet-lite"',
            'kind = "battery"',
            'title = "t"',
            'title_ja = "t"',
            "[wire]",
            'class = "027D"',
            *(['readable = ["E4"]'] if key != "readable" else []),
            f"{key} = {listed}",
            '[lease]\nmechanism = "none"\ndefault = "d"',
            '[evidence]\nsource = "s"\nproof = "simulated"',
        )
    )
    with pytest.raises(ConfigError, match=rf"wire\.{key}"):
        parse_template(text, "slip")
