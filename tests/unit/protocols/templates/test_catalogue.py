"""Template files: every one is read, and what is wrong in one is said in one line."""

import pytest

from protocols.templates.catalogue import PROTOCOLS, catalogue, parse_template, template_of
from protocols.templates.template import LeaseMechanism, Proof, Template
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

GOOD = """
protocol = "modbus"
kind = "meter"
title = "Meter"
title_ja = "メーター"

[wire]
[[wire.registers]]
quantity = "power_w"
address = 100
type = "int32"
scale = -1.0
fast = true

[lease]
mechanism = "none"
default = "only read"

[evidence]
source = "a public register list"
proof = "simulated"
"""
ALL = sorted(catalogue().values(), key=lambda template: template.template_id)


def test_there_are_templates_of_every_protocol_and_kind() -> None:
    """If it fails, an installer meets a device of a promised kind and has nothing to choose."""
    assert len(ALL) >= 40
    assert {template.protocol for template in ALL} == set(PROTOCOLS)
    assert {template.kind for template in ALL} == set(ResourceKind)


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.template_id)
def test_a_template_says_how_its_orders_end(template: Template) -> None:
    """If it fails, a device could be left with an order of ours that nothing ever ends."""
    takes_orders = template.lease.mechanism is not LeaseMechanism.NONE
    if template.kind is ResourceKind.METER:
        assert not takes_orders
    if takes_orders:
        plate = template.nameplate
        assert plate.power_w_min < 0.0 or plate.power_w_max > 0.0
    assert template.writes.budget_per_day is not None or not template.writes.flash


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.template_id)
def test_a_template_says_where_it_comes_from(template: Template) -> None:
    """If it fails, nobody can tell a checked template from a guess."""
    assert template.evidence.source
    assert (template.evidence.proof is Proof.SIMULATED) == (template.evidence.by == "")
    assert template.title
    assert template.title_ja


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (('protocol = "modbus"', 'protocol = "zigbee"'), "bad.toml.protocol: 'zigbee' is not one"),
        (('kind = "meter"', 'kind = "toaster"'), "bad.toml.kind: 'toaster' is not one of"),
        (('title = "Meter"', ""), "bad.toml.title: is missing"),
        (("address = 100", "address = 70000"), "bad.toml.wire.registers[0].address: 70000"),
        (("address = 100", 'address = "a"'), "bad.toml.wire.registers[0].address: 'a'"),
        (("scale = -1.0", "scale = nan"), "bad.toml.wire.registers[0].scale: nan"),
        (("fast = true", "quick = true"), "bad.toml.wire.registers[0].quick: is not known here"),
        (("[lease]", "[lease]\ntimer = 3"), "bad.toml.lease.timer: is not known here"),
        (('"none"', '"forever"'), "bad.toml.lease.mechanism: 'forever' is not one of"),
        (('"simulated"', '"verified"'), "bad.toml.evidence.by: names the peer"),
        (("[wire]", "[wire"), "bad.toml: is not TOML"),
        (("[lease]", "colour = 1\n[lease]"), "bad.toml.wire.registers[0].colour: is not known"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(change: tuple[str, str], cause: str) -> None:
    """If it fails, a slip in a template becomes a wrong number at a device."""
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as refused:
        parse_template(GOOD.replace(*change), "bad")
    assert str(refused.value).startswith(cause)


def test_the_form_above_is_right_without_the_slips() -> None:
    """If it fails, the test before this one proves nothing."""
    assert parse_template(GOOD, "good").kind is ResourceKind.METER


def test_an_unknown_template_is_answered_with_the_nearest() -> None:
    """If it fails, an installer is left to guess how a template is spelled."""
    with pytest.raises(ConfigError, match=r"'echonet-batery' is not a template; .*echonet-battery"):
        template_of("echonet-batery")
