"""Hostile XML is refused, and nothing else is."""

import tracemalloc

import pytest

from protocols.sansio.xml import (
    XmlLimits,
    new_element,
    parse_xml,
    set_text,
    to_bytes,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

LAUGHS = """<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<l>&b;</l>"""
EXTERNAL = '<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>'


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (LAUGHS, "document type"),
        (EXTERNAL, "document type"),
        ("<a>&unknown;</a>", "not well-formed"),
        ("<a>", "not well-formed"),
        ("", "not well-formed"),
        ("plain", "not well-formed"),
        ("<a/><b/>", "not well-formed"),
        ('<a xmlns:x="u"><y:b/></a>', "not well-formed"),
        ("<a>\x00</a>", "zero byte"),
        ('<?xml version="1.0" encoding="utf-16"?><a/>', "utf-16"),
        ('<?xml version="1.0" encoding="utf-7"?><a/>', "utf-7"),
        ("<a>" * 40 + "</a>" * 40, "deeper than 32"),
        ("<a>" * 3000 + "</a>" * 3000, "not well-formed|deeper"),
    ],
)
def test_hostile_documents(document: str, says: str) -> None:
    """If it fails, a stranger's document reads our files, fills our memory or stops us."""
    with pytest.raises(RemoteProtocolError, match=says):
        parse_xml(document.encode())


def test_documents_in_other_encodings() -> None:
    """If it fails, a document type hides from us in an encoding we do not look through."""
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        with pytest.raises(RemoteProtocolError):
            parse_xml(EXTERNAL.encode(encoding))
    with pytest.raises(RemoteProtocolError, match="not well-formed"):
        parse_xml("<a>é</a>".encode("latin-1"))


def test_limits() -> None:
    """If it fails, one request can take all of a gateway's memory."""
    limits = XmlLimits(size_bytes=100, depth=3, tags=6)
    parse_xml(b"<a><b><c/></b></a>", limits=limits)
    with pytest.raises(RemoteProtocolError, match="deeper than 3"):
        parse_xml(b"<a><b><c><d/></c></b></a>", limits=XmlLimits(depth=3))
    with pytest.raises(RemoteProtocolError, match="more than 6 tags"):
        parse_xml(b"<a><b/><b/><b/><b/><b/></a>", limits=limits)
    with pytest.raises(RemoteProtocolError, match="at most 100"):
        parse_xml(b"<a>" + b"x" * 100 + b"</a>", limits=limits)


def test_a_refusal_is_cheap() -> None:
    """If it fails, a refused document still costs what it was refused for."""
    document = b"<a>" + b"<b/>" * 400_000 + b"</a>"
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError, match="tags"):
        parse_xml(document)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_comments_and_instructions_are_not_seen() -> None:
    """If it fails, a comment splits a number in two."""
    root = parse_xml(b"<?x y?><a><!-- 1 -->1<!-- 2 -->2<?z?></a>")
    assert (root.text, len(root)) == ("12", 0)


def test_a_mark_of_byte_order_and_white_space_before_the_document() -> None:
    """If it fails, peers on other systems are refused for a blank line."""
    assert parse_xml(b"\xef\xbb\xbf\r\n<?xml version='1.0' encoding='UTF-8'?><a/>").tag == "a"


def test_text_that_xml_cannot_carry() -> None:
    """If it fails, a name with a control character makes a document nobody can read."""
    root = new_element("{urn:x}a", prefixes={None: "urn:x"})
    with pytest.raises(LocalProtocolError):
        set_text(new_element("{urn:x}b", parent=root), "\x01")
    set_text(new_element("{urn:x}c", parent=root), "<&>")
    assert b"<c>&lt;&amp;&gt;</c></a>" in to_bytes(root)
