"""What OCCTO says of a plan: received, taken or refused, with each contradiction found. XML.

Notes
-----
``FIT_INFO`` with ``FIT_ID``, ``SBMIT_DAYTIME``, ``STAT`` and ``STAT_NM`` is what public programs
read; ``ERR_INFO`` and the words of its codes are assumed (``docs/spec-issues.md``).
"""

import re
from dataclasses import dataclass
from typing import Final

from protocols.sansio.xml import XmlElement, XmlLimits, new_element, parse_xml, set_text, to_bytes
from protocols.vocabulary.errors import RemoteProtocolError

TAKEN: Final = "1"
REFUSED: Final = "9"
FINDINGS_MAX: Final = 1_000
_LIMITS: Final = XmlLimits(size_bytes=1_000_000, depth=8, tags=50_000)
_SHOWN: Final = 40
_TEXT_MAX: Final = 300
_NAMES: Final = {TAKEN: "受付済", REFUSED: "エラー"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a plan.

    Attributes
    ----------
    code : str
        Such as ``E201``.
    slot : int
        1 to 48; 0 if it is about the whole.
    text : str
        For people.
    """

    code: str
    slot: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to a plan.

    Attributes
    ----------
    plan_id : str
        The name of the file that is answered.
    submitted_at : str
        ``YYYYMMDDhhmmss`` JST, when it came.
    taken : bool
        Whether the plan is in force.
    findings : tuple of Finding
        Why not.
    """

    plan_id: str
    submitted_at: str
    taken: bool
    findings: tuple[Finding, ...]


def write_verdict(verdict: Verdict) -> bytes:
    """Write it, UTF-8."""
    root = new_element("SBD-MSG")
    info = new_element("FIT_INFO", parent=root)
    status = TAKEN if verdict.taken else REFUSED
    for tag, text in (
        ("FIT_ID", verdict.plan_id),
        ("SBMIT_DAYTIME", verdict.submitted_at),
        ("STAT", status),
        ("STAT_NM", _NAMES[status]),
    ):
        set_text(new_element(tag, parent=info), text)
    for finding in verdict.findings[:FINDINGS_MAX]:
        error = new_element("ERR_INFO", parent=root)
        for tag, text in (
            ("ERR_CD", finding.code),
            ("JP06219", f"{finding.slot:02}"),
            ("ERR_MSG", finding.text[:_TEXT_MAX]),
        ):
            set_text(new_element(tag, parent=error), text)
    return to_bytes(root)


def read_verdict(data: bytes) -> Verdict:
    """Read it.

    Raises
    ------
    RemoteProtocolError
        If it is something else, or contradicts itself.
    """
    root = parse_xml(data, limits=_LIMITS)
    if root.tag != "SBD-MSG":
        raise RemoteProtocolError(f"verdict: the root is {root.tag[:_SHOWN]!r}, not 'SBD-MSG'")
    infos = [child for child in root if child.tag == "FIT_INFO"]
    if len(infos) != 1:
        raise RemoteProtocolError(f"verdict: {len(infos)} FIT_INFO, not 1")
    status = _text(infos[0], "STAT")
    if status not in _NAMES:
        raise RemoteProtocolError(f"verdict: STAT {status[:_SHOWN]!r} is not known")
    findings = tuple(_finding(child) for child in root if child.tag == "ERR_INFO")
    if len(findings) > FINDINGS_MAX or (status == TAKEN and findings):
        raise RemoteProtocolError(f"verdict: STAT {status} with {len(findings)} findings")
    return Verdict(
        plan_id=_text(infos[0], "FIT_ID"),
        submitted_at=_text(infos[0], "SBMIT_DAYTIME"),
        taken=status == TAKEN,
        findings=findings,
    )


def _finding(element: XmlElement) -> Finding:
    slot = _text(element, "JP06219")
    if not re.fullmatch(r"[0-4][0-9]", slot):
        raise RemoteProtocolError(f"verdict: {slot[:_SHOWN]!r} is no slot")
    return Finding(
        code=_text(element, "ERR_CD"), slot=int(slot), text=_text(element, "ERR_MSG")[:_TEXT_MAX]
    )


def _text(parent: XmlElement, tag: str) -> str:
    found = [child for child in parent if child.tag == tag]
    if len(found) != 1 or not (found[0].text or "").strip():
        raise RemoteProtocolError(f"verdict: {parent.tag[:_SHOWN]} has no single {tag} with text")
    return (found[0].text or "").strip()
