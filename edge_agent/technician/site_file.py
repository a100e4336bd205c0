"""Writes the identity into a site file: names, brokers, ``[identity]``; the rest stays as it is.

The new file is checked before it takes the place of the old one, in one rename.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.identity.enrol import SiteFacts
from edge_agent.identity.files import read_bounded, write_whole
from protocols.vocabulary.errors import ConfigError

_BROKERS: Final = re.compile(r"^brokers\s*=\s*\[[^\]]*\]", re.MULTILINE)
_IDENTITY: Final = re.compile(r"^\[identity\]\s*$", re.MULTILINE)


def write_site_file(path: Path, facts: SiteFacts, *, folder: str) -> SiteConfig:
    """Put a site's names and brokers into its file.

    Parameters
    ----------
    path : Path
        The file; it says what only a person at the site knows (limits, devices).
    facts : SiteFacts
        What the coordinator told.
    folder : str
        Of the identity, from the file's own.

    Raises
    ------
    ConfigError
        If the file is not there or would be wrong afterwards; it stays as it is then.
    """
    try:
        text = read_bounded(path).decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    return _put(path, _with_facts(text, facts, folder=folder), before=text)


def write_proposal(path: Path, text: str, facts: SiteFacts, *, folder: str) -> SiteConfig:
    """Write a site file where there is none; as :func:`write_site_file`."""
    return _put(path, _with_facts(text, facts, folder=folder), before="")


def _put(path: Path, changed: str, *, before: str) -> SiteConfig:
    """Check a text as the site's file, and write it."""
    aside = path.with_name(f".{path.stem}.check.toml")
    try:
        write_whole(aside, changed.encode())
        load_config(aside)
    finally:
        aside.unlink(missing_ok=True)
    if changed != before:
        write_whole(path, changed.encode())
    return load_config(path)


def with_brokers(path: Path, beside: Path, brokers: Sequence[str]) -> None:
    """Write a copy of a site's file that names other brokers.

    Raises
    ------
    ConfigError
        If the file cannot be read or the copy not be written.
    """
    text = read_bounded(path).decode()
    line = f"brokers = {json.dumps(list(brokers))}"
    write_whole(beside, _replaced(_BROKERS, line, text, key="link.brokers").encode())


def _with_facts(text: str, facts: SiteFacts, *, folder: str) -> str:
    for key, value in (("site_id", facts.site_id), ("zone", facts.zone)):
        pattern = re.compile(rf"^{key}\s*=.*$", re.MULTILINE)
        text = _replaced(pattern, f'{key} = "{value}"', text, key=key)
    brokers = json.dumps(list(facts.brokers))
    text = _replaced(_BROKERS, f"brokers = {brokers}", text, key="link.brokers")
    if _IDENTITY.search(text) is None:
        text = f"{text.rstrip()}\n\n[identity]\nfolder = {json.dumps(folder)}\n"
    return text


def _replaced(pattern: re.Pattern[str], line: str, text: str, *, key: str) -> str:
    text, count = pattern.subn(lambda _: line, text, count=1)
    if not count:
        raise ConfigError(f"{key}: is missing; write it, with any value")
    return text
