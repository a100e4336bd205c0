"""The commissioning record on paper."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge_agent.technician.commissioning import CommissioningRecord, DeviceLine
from edge_agent.technician.commissioning_page import page_of
from edge_agent.technician.link_trial import LinkTrial

AT = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
HELD = LinkTrial(share_w=-300.0, reached=True, cut_s=12.0, held_ratio=0.92, back_s=2.5)
RECORD = CommissioningRecord(
    site_id="site-1",
    serial="ab12",
    started_at=AT,
    ended_at=AT,
    devices=(
        DeviceLine(
            device_id="battery-1",
            power_w=None,
            frequency_hz=50.01,
            asked_w=-300.0,
            held_w=-298.0,
            driven="done <b>auto</b>",
            released="done",
            ok=True,
        ),
    ),
    link=HELD,
    frequency_hz=50.01,
    not_tested=(),
    ok=True,
)


def test_the_page_says_what_was_seen() -> None:
    """If it fails, what an owner signs is not what happened, or a device writes into the page."""
    page = page_of(RECORD, signature="00ff")
    for words in ("合格", "-298", "50.010 Hz", "held 保持 92%", "back 復帰 2.5 s", "00ff"):
        assert words in page
    assert "<b>auto" not in page
    assert "NOT passed" not in page
    assert "Not tested" not in page


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (None, "not tested 未試験"),
        (LinkTrial(share_w=1.0, reached=False, cause="nobody answered"), "nobody answered"),
        (replace(HELD, back_s=None, cause="lost"), "did not come back 復帰せず; lost"),
    ],
)
def test_what_was_not_seen_is_not_claimed(link: LinkTrial | None, words: str) -> None:
    """If it fails, a link that never was cut passes on paper."""
    record = replace(RECORD, link=link, ok=False, not_tested=("frequency",))
    page = page_of(record, signature="")
    assert words in page
    assert "NOT passed 不合格" in page
    assert "<li>frequency</li>" in page
