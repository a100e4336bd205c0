"""XML from strangers: read without harm, written as UTF-8; knows no schema.

What arrives is refused before the parser sees it where it is too big, not UTF-8 or declares a
document type (so no entity is ever defined, external or internal), and after it where it is too
deep. Comments and processing instructions are dropped. Callers: the codecs of IEEE 2030.5 and
OpenADR, and nobody else parses XML.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast

from lxml import etree

from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

XSI = "http://www.w3.org/2001/XMLSchema-instance"

_DECLARED = re.compile(rb"""\A<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_READABLE = {b"utf-8", b"utf8", b"us-ascii"}
_BOM = b"\xef\xbb\xbf"


class XmlElement(Protocol):
    """What the codecs use of an lxml element."""

    tag: str
    text: str | None

    @property
    def attrib(self) -> Mapping[str, str]:
        """Attributes; a qualified name is written ``{namespace}name``."""

    @property
    def sourceline(self) -> int | None:
        """Line in the document, from 1."""

    def __iter__(self) -> Iterator["XmlElement"]:
        """Children in document order."""

    def __len__(self) -> int:
        """How many children."""

    def set(self, key: str, value: str) -> None:
        """Set an attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlLimits:
    """How much of a stranger's document is read.

    Attributes
    ----------
    size_bytes : int
        Longest document.
    depth : int
        Deepest element, the root being 1.
    tags : int
        Most opening and closing tags together.
    """

    size_bytes: int = 2_000_000
    depth: int = 32
    tags: int = 100_000


DEFAULT_LIMITS = XmlLimits()


def parse_xml(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> XmlElement:
    """Root element of a document.

    Parameters
    ----------
    data : bytes
        The document in UTF-8, with or without declaration and byte order mark.
    limits : XmlLimits
        How much is read.

    Raises
    ------
    RemoteProtocolError
        If it is not well-formed, too big, too deep, not UTF-8, or declares a document type.
        The message names the place.
    """
    if len(data) > limits.size_bytes:
        raise RemoteProtocolError(f"XML of {len(data)} bytes, at most {limits.size_bytes}")
    body = data.removeprefix(_BOM).lstrip()
    declared = _DECLARED.match(body)
    if declared and declared.group(1).lower() not in _READABLE:
        raise RemoteProtocolError(f"XML in {declared.group(1).decode()}, not UTF-8")
    if b"\0" in body:
        raise RemoteProtocolError("XML with a zero byte, so not UTF-8")
    if b"<!DOCTYPE" in body:
        raise RemoteProtocolError("XML with a document type; entities are not read")
    if body.count(b"<") > limits.tags:
        raise RemoteProtocolError(f"XML of more than {limits.tags} tags")
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RemoteProtocolError(f"XML is not well-formed: {error}") from error
    if root is None or _deeper_than(limits.depth)(root):
        raise RemoteProtocolError(f"XML deeper than {limits.depth} elements")
    return cast("XmlElement", root)


def to_bytes(element: XmlElement, *, declared: bool = True) -> bytes:
    """Document of an element: UTF-8, no white space added.

    Parameters
    ----------
    element : XmlElement
        The root.
    declared : bool
        Whether it begins with an XML declaration; UTF-8 needs none.
    """
    document = etree.tostring(element, encoding="utf-8", xml_declaration=declared, standalone=None)
    return cast("bytes", document)


def new_element(
    tag: str, *, parent: XmlElement | None = None, prefixes: Mapping[str | None, str] | None = None
) -> XmlElement:
    """Make an element, at the end of a parent where one is given.

    Parameters
    ----------
    tag : str
        ``{namespace}name``.
    parent : XmlElement or None
        None for a root.
    prefixes : Mapping or None
        Prefix to namespace, for a root; the key None is the default namespace.
    """
    if parent is None:
        return cast("XmlElement", etree.Element(tag, nsmap=dict(prefixes or {})))
    return cast("XmlElement", etree.SubElement(parent, tag))


def set_text(element: XmlElement, text: str) -> None:
    """Give an element its text.

    Raises
    ------
    LocalProtocolError
        If XML cannot carry a character of it.
    """
    try:
        element.text = text
    except ValueError as error:
        raise LocalProtocolError(f"{element.tag} cannot carry {text!r}") from error


def _parser() -> etree.XMLParser:
    """Parser that fetches nothing and expands nothing; one per document, for threads."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """Test, in C, for an element below ``depth``."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")
