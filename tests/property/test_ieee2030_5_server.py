"""Whatever a client sends to the IEEE 2030.5 server: an answer of the standard, no damage."""

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ieee2030_5.resources.der import DERStatus
from protocols.ieee2030_5.resources.metering import MirrorUsagePoint
from protocols.ieee2030_5.xml import encode
from tests.unit.protocols.ieee2030_5.server.town import ANNE, BERT, NOW, Town, device

GOOD = (
    encode(device(ANNE)),
    encode(device(BERT)),
    encode(DERStatus(reading_time=NOW)),
    encode(
        MirrorUsagePoint(
            mrid="AA" * 16, role_flags=3, service_category_kind=0, status=1, device_lfdi=ANNE
        )
    ),
)
SHAPES = (
    "dcap",
    "tm",
    "edev",
    "derp",
    "mup",
    "fsa",
    "der",
    "ders",
    "rsp",
    "sub",
    "1",
    "2",
    "x",
    "",
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Replace a piece of a good body."""
    body = draw(st.sampled_from(GOOD))
    first = draw(st.integers(0, len(body)))
    last = draw(st.integers(first, min(len(body), first + 12)))
    return body[:first] + draw(st.binary(max_size=6)) + body[last:]


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "BREW"]),
    parts=st.lists(st.one_of(st.sampled_from(SHAPES), st.text(max_size=4)), max_size=5),
    who=st.sampled_from([ANNE, BERT, None]),
    body=st.one_of(broken(), st.sampled_from(GOOD), st.binary(max_size=40)),
    query=st.lists(st.tuples(st.sampled_from(["s", "l", "a"]), st.text(max_size=4)), max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_every_request_has_an_answer_and_the_state_can_be_read_again(
    *, method: str, parts: list[str], who: str | None, body: bytes, query: list[tuple[str, str]]
) -> None:
    """If it fails, one client's message stops the server, or makes its database unreadable."""
    town = Town()
    town.register()
    town.issue(town.program(), 0, 60)
    path = "/" + "/".join(parts)
    reply = town.ask(method, path, who=who, body=body, query=tuple(query)).reply
    assert 200 <= reply.status < 300 or 400 <= reply.status < 500
    town.server.look(NOW)
    town.restart()
    assert town.status("GET", "/edev") == 200
