"""The offer: curve, envelope and baseline of a site."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from edge_agent.control.horizon import Outlook, plan_inputs_of
from edge_agent.control.limits import contract_import, export_limit
from edge_agent.control.nouns import HeldShare, ShareSource
from edge_agent.control.offer import OfferRequest, make_offer
from edge_agent.control.solver import solve_plan
from protocols.vocabulary.identifiers import SignalId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import share


def request(paper: Any, plant: Any, *, soc: float = 0.5, minutes: int = 30) -> OfferRequest:
    """Ask a site for an offer."""
    start = paper.t0 + timedelta(minutes=30)
    return OfferRequest(
        frame=plant.frame(),
        service=Service.SECONDARY_1,
        version=3,
        interval=Interval(start=start, end=start + timedelta(minutes=minutes)),
        now=paper.t0,
        data_until=paper.t0,
        residual_w=np.full(300, -1000.0),
        socs={b.resource.resource_id: soc for b in plant.bindings if b.soc_point is not None},
        generation_w={
            b.resource.resource_id: 1500.0 for b in plant.bindings if b.soc_point is None
        },
    )


def test_a_promise_rises_with_the_price_and_stays_in_its_envelope(paper: Any) -> None:
    """The coordinator could not find a price, or would ask for what was never offered."""
    plant = paper.plant(bindings=(paper.battery("a"), paper.battery("b"), paper.photovoltaic()))
    curve, envelope, _ = make_offer(request(paper, plant))
    assert (np.diff(curve.multipliers) > 0.0).all()
    assert (np.diff(curve.power_w) >= 0.0).all()
    assert curve.power_w[0] >= envelope.power_w_min[0] - 1e-6
    assert curve.power_w[-1] <= envelope.power_w_max[0] + 1e-6
    assert curve.version == 3
    assert len(envelope.energy_wh_max) == len(envelope.power_w_max) + 1


def test_the_energy_lasts_for_the_whole_interval(paper: Any) -> None:
    """The site would deliver for five minutes and then be empty."""
    plant = paper.plant(bindings=(paper.battery(),))
    curve, envelope, baseline = make_offer(request(paper, plant, soc=0.2, minutes=60))
    most_w = (0.2 - 0.1) * 10_000.0 * 0.95 / 1.0
    planned_w = float(baseline.power_w[0]) + 1000.0
    assert curve.power_w[-1] == pytest.approx(most_w - planned_w)
    assert envelope.energy_wh_max[-1] == pytest.approx(envelope.power_w_max[0] * 1.0)
    assert envelope.limited_by == "owner-soc"


def test_an_empty_battery_offers_only_to_charge(paper: Any) -> None:
    """An award would be accepted that nobody can deliver."""
    plant = paper.plant(bindings=(paper.battery(),))
    curve, _, _ = make_offer(request(paper, plant, soc=0.1))
    assert curve.power_w[-1] == pytest.approx(0.0)
    assert curve.power_w[0] < -4000.0


def test_the_meter_s_limits_bound_the_promise(paper: Any) -> None:
    """The promise would need a bigger connection than the site has."""
    plant = paper.plant(
        bindings=(paper.battery(),), limits=(contract_import(3000.0), export_limit(500.0))
    )
    curve, _, baseline = make_offer(request(paper, plant))
    base_w = float(baseline.power_w[0])
    assert base_w + curve.power_w[-1] == pytest.approx(500.0 - 2.0)
    assert base_w + curve.power_w[0] == pytest.approx(-3000.0 + 2.0)


def test_a_promise_can_be_kept_by_the_balance(paper: Any) -> None:
    """Offer and control would disagree about what the site can do."""
    plant = paper.plant(bindings=(paper.battery("a"), paper.battery("b")))
    asked = request(paper, plant)
    curve, envelope, baseline = make_offer(asked)
    made = paper.commitment(start=asked.interval.start)
    commitment = paper.replace(made, curve=curve, envelope=envelope, baseline=baseline)
    plant.commitments = (commitment,)
    plant.second = 1800
    for price in (curve.multipliers[0], 15.0, 25.0, curve.multipliers[-1]):
        plant.signal = paper.signal(float(price))
        plant.run(12)
        owed_w = share(curve, plant.signal.signal.multipliers)
        assert plant.decision.share_w == owed_w
        assert plant.meter_w == pytest.approx(float(baseline.power_w[0]) + owed_w, abs=10.0)
        assert plant.decision.relaxed == ()


def test_the_baseline_is_what_the_site_would_do_anyway(paper: Any) -> None:
    """The site would be paid for what its battery does every evening, or fined for it."""
    plant = paper.plant(bindings=(paper.battery(),))
    _, _, baseline = make_offer(request(paper, plant))
    assert baseline.power_w[0] == pytest.approx(0.0, abs=1e-6)
    assert baseline.method == "persistence-300s"
    nothing = paper.plant(bindings=())
    curve, envelope, baseline = make_offer(request(paper, nothing))
    assert baseline.power_w[0] == pytest.approx(-1000.0)
    assert list(curve.power_w) == [0.0]
    assert envelope.power_w_max[0] == 0.0


def test_the_plan_s_prices_make_the_offer(paper: Any) -> None:
    """The site would promise energy that its plan needs in the evening for little money."""
    plant = paper.plant(bindings=(paper.battery(),))
    frame = plant.frame()
    member = plant.bindings[0].resource.resource_id
    outlook = Outlook(
        start=paper.t0,
        step_s=1800.0,
        residual_w=np.full(24, -800.0),
        generation_w={},
        import_jpy_per_kwh=np.full(24, 60.0),
    )
    inputs = plan_inputs_of(frame, outlook, plan_id="p", socs={member: 0.4})
    plan, _ = solve_plan(inputs)
    asked = request(paper, plant, soc=0.4)
    dear, _, planned = make_offer(paper.replace(asked, plan=plan))
    cheap, _, anyway = make_offer(asked)
    assert dear.multipliers[-1] > cheap.multipliers[-1] + 10.0
    # Stored energy is worth more than the tariff: the balance charges, and so does the baseline.
    assert planned.power_w[0] == pytest.approx(-1000.0 - 5000.0)
    assert anyway.power_w[0] == pytest.approx(0.0, abs=1e-6)


def test_the_horizon_knows_obligations_and_limits(paper: Any) -> None:
    """The plan would spend the energy that an award needs."""
    plant = paper.plant(
        bindings=(paper.battery(), paper.photovoltaic()), commitments=(paper.commitment(),)
    )
    member = plant.bindings[0].resource.resource_id
    sun = plant.bindings[1].resource.resource_id
    outlook = Outlook(
        start=paper.t0,
        step_s=1800.0,
        residual_w=np.full(4, -800.0),
        generation_w={sun: np.full(4, 2000.0)},
    )
    held = HeldShare(
        obligation_id=plant.commitments[0].obligation.obligation_id,
        power_w=700.0,
        signal_id=SignalId(4),
        source=ShareSource.HELD,
    )
    inputs = plan_inputs_of(plant.frame(), outlook, plan_id="p", socs={member: 0.4}, shares=(held,))
    assert list(inputs.shortage_jpy_per_kwh > 0.0) == [True, False, False, False]
    assert inputs.target_meter_w[0] == pytest.approx(-1000.0 + 700.0)
    assert list(inputs.meter_w_max) == [10_000.0] * 4
    assert [s.resource_id for s in inputs.stores] == [member]
    assert [g.resource_id for g in inputs.generators] == [sun]
