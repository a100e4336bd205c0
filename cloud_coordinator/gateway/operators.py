"""Calls operators: a webhook and a command, as ``operators.toml`` in the data directory says.

Each call is made in a worker thread with a limit; whether it worked is logged, never raised.
Without the file calls are only logged.
"""

import json
import subprocess
import tomllib
import urllib.request
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from protocols.vocabulary.errors import ConfigError

FILE: Final = "operators.toml"
TIMEOUT_S: Final = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorFile:
    """How operators are called.

    Attributes
    ----------
    webhook : str
        http(s) address that takes ``{"severity", "text"}`` as JSON; empty for none.
    command : tuple of str
        Program and arguments; the text is its standard input. Empty for none.
    """

    webhook: str = ""
    command: tuple[str, ...] = ()


def read_operator_file(path: Path) -> OperatorFile:
    """Read the file; one that is not there calls nobody.

    Raises
    ------
    ConfigError
        Place and cause, if it is wrong.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return OperatorFile()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    unknown = sorted(plain.keys() - {"webhook", "command"})
    if unknown:
        raise ConfigError(f"{path}: {unknown[0]}: is no key here; there are webhook, command")
    webhook, command = plain.get("webhook", ""), plain.get("command", [])
    if not isinstance(webhook, str) or (webhook and not _is_web(webhook)):
        raise ConfigError(f"{path}: webhook: is no http or https address")
    if not isinstance(command, list) or not all(isinstance(one, str) for one in command):
        raise ConfigError(f"{path}: command: must be a list of words")
    return OperatorFile(webhook=webhook, command=tuple(command))


def _is_web(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


class Operators:
    """Calls people.

    Parameters
    ----------
    how : OperatorFile
        As configured.
    apart : Executor
        Where calls wait.
    """

    def __init__(self, how: OperatorFile, apart: Executor) -> None:
        self._how = how
        self._apart = apart

    def call(self, severity: str, text: str) -> None:
        """Call them; queues and returns."""
        _log.warning("operators.called", severity=severity, text=text)
        if self._how.webhook:
            self._apart.submit(self._post, severity, text)
        if self._how.command:
            self._apart.submit(self._run, severity, text)

    def _post(self, severity: str, text: str) -> None:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked when it was read
            self._how.webhook,
            data=json.dumps({"severity": severity, "text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()  # noqa: S310 - as above
        except (OSError, ValueError) as error:
            _log.error("operators.unreached", way="webhook", cause=str(error))

    def _run(self, severity: str, text: str) -> None:
        try:
            subprocess.run(  # noqa: S603 - the operator's own command, without a shell
                self._how.command,
                input=f"{severity}: {text}\n".encode(),
                timeout=TIMEOUT_S,
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            _log.error("operators.unreached", way="command", cause=type(error).__name__)
