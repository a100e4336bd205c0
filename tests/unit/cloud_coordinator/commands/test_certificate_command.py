"""``vpp certificate``: claims that draws agree with, and files that are none."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.allocation.certificate import certify, to_data
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from cloud_coordinator.allocation.reliability import delivered_law
from cloud_coordinator.commands.certificate import main

DRAWS = 100_000


def promise(sites: int, *, causes: int, dominant: bool = False) -> Promise:
    """Sites of mixed size; each common cause takes an equal part of them down."""
    dice = np.random.default_rng(sites)
    power_w = dice.uniform(2e3, 8e3, sites)
    if dominant:
        power_w[0] = power_w.sum()
    return Promise(
        power_w=power_w,
        reliability=dice.uniform(0.9, 0.995, sites),
        causes=tuple(
            SharedOutage(
                name=f"feeder {one}",
                outage_probability=0.003,
                members=np.arange(one, sites, causes),
            )
            for one in range(causes)
        ),
    )


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    before, sys.argv = sys.argv, ["vpp certificate", *arguments]
    try:
        code = main()
    finally:
        sys.argv = before
    return code, capsys.readouterr().out


def made(path: Path, given: Promise, wanted: float) -> dict[str, object]:
    names = [f"site-{at:05d}" for at in range(len(given.power_w))]
    data = to_data(certify(names, given, delivered_law(given).dependable_w(wanted)))
    path.write_text(json.dumps(data))
    return data


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (promise(9, causes=2), 0.93),
        (promise(60, causes=4, dominant=True), 0.9),
        (promise(1_500, causes=8), 0.995),
    ],
    ids=["few units", "a dominant unit", "many with common causes"],
)
def test_draws_agree_with_what_is_claimed(
    given: Promise, wanted: float, *, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, the probability on a certificate is a number that nobody can reproduce."""
    path = tmp_path / "award.json"
    made(path, given, wanted)
    code, text = told(["verify", str(path), "--draws", str(DRAWS)], capsys)
    assert code == 0, text
    line = next(line for line in text.splitlines() if line.startswith("drawn"))
    assert "100,000 times" in line
    assert "standard error" in line
    assert "they agree" in line, line


def test_a_claim_that_draws_refute_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a certificate that was written too high passes."""
    path = tmp_path / "award.json"
    data = made(path, promise(60, causes=4), 0.9)
    claims = data["claims"]
    assert isinstance(claims, dict)
    claims["delivery_probability"] = 0.95
    path.write_text(json.dumps(data))
    code, text = told(["verify", str(path), "--draws", "20000"], capsys)
    assert code == 1
    assert "they differ" in text
    assert text.count("broken") >= 2
