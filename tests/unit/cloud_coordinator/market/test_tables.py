"""The smaller tables: areas and guidelines of baselines."""

from datetime import date
from importlib.resources import files

import pytest

from cloud_coordinator.market.areas import load_areas, parse_areas
from cloud_coordinator.market.baselines import guideline_of, parse_guidelines
from protocols.vocabulary.errors import ConfigError

AREAS = files("cloud_coordinator.market").joinpath("areas.csv").read_text("utf-8")
ERAB = files("cloud_coordinator.market").joinpath("erab.toml").read_text("utf-8")


def test_areas_of_both_frequencies() -> None:
    """Primary reserve would be judged by the other half of the country's frequency."""
    areas = load_areas()
    fifty = {name for name, area in areas.items() if area.nominal_hz == 50.0}
    assert fifty == {"hokkaido", "tohoku", "tokyo"}
    assert {name for name, area in areas.items() if area.abnormal_hz != 0.2} == {"hokkaido"}
    assert len(areas) == 9


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("area,", "zone,", ":1"),
        ("tokyo,50", "tokyo,fifty", ":4"),
        ("tokyo,50", "tokyo,-50", ":4"),
        ("tokyo,50", "tokyo,nan", ":4"),
        ("tokyo,50", "tokyo", ":4"),
        ("tokyo,", "tohoku,", ":4"),
    ],
)
def test_a_bad_table_of_areas_is_named_with_its_line(old: str, new: str, place: str) -> None:
    """One wrong cell would be half believed, or nobody would find it."""
    with pytest.raises(ConfigError, match=rf"areas\.csv{place}"):
        parse_areas(AREAS.replace(old, new, 1), "areas.csv")


def test_guidelines_have_dates() -> None:
    """An old event would be measured by a later guideline."""
    assert guideline_of(date(2025, 11, 18)).guideline_id == "erab-2020-06-01"
    assert guideline_of(date(2025, 11, 19)).guideline_id == "erab-2025-11-19"
    with pytest.raises(ConfigError, match="2019-01-01"):
        guideline_of(date(2019, 1, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [("reach_days = 30", "reach_days = 0"), ("working_kept", "kept"), ("[[", "[")],
)
def test_a_bad_guideline_is_named(old: str, new: str) -> None:
    """A misspelt figure would fall back to something nobody chose."""
    with pytest.raises(ConfigError, match=r"erab\.toml"):
        parse_guidelines(ERAB.replace(old, new, 1), "erab.toml")
