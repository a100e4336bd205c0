"""The operator's file of what takes several sites down at once."""

from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.gateway.common_causes import read_policy
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId

GOOD = """
[[cause]]
name = "feeder F12"
outage_probability = 0.0002
sites = ["site-1", "site-3", "site-9"]
"""


def test_causes_reach_the_award(tmp_path: Path) -> None:
    """If it fails, sites of one feeder count as if they failed each by itself."""
    file = tmp_path / "causes.toml"
    file.write_text(GOOD)
    policy = read_policy(0.99, file)
    made = policy.of([SiteId("site-1"), SiteId("site-2"), SiteId("site-3")], {})
    assert made.probability == 0.99
    assert [(one.name, one.members.tolist()) for one in made.causes] == [("feeder F12", [0, 2])]
    assert np.all((made.reliability > 0.5) & (made.reliability < 1.0))
    assert read_policy(0.999, None).causes == ()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[[cause]", "causes.toml"),
        ("cause = 3", "list of tables"),
        (GOOD.replace("0.0002", "1.0"), "outage_probability"),
        (GOOD.replace("0.0002", "nan"), "outage_probability"),
        (GOOD.replace('"site-9"', '"Site 9"'), "sites"),
        (GOOD.replace("name", "nmae"), "name"),
        (GOOD + "colour = 1", "colour"),
        (GOOD + GOOD, "twice"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, cause: str) -> None:
    """If it fails, a slip in the file silently takes a common cause away."""
    file = tmp_path / "causes.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=cause):
        read_policy(0.999, file)
