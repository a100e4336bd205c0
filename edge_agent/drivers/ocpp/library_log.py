"""What the libraries that own the wire have to complain about, as events of ours.

They log each message and each broken one with its whole trace; a charger that talks nonsense
would fill the log. Warnings become one event, and of a burst only the first.
"""

import logging
from typing import Final

import structlog

NAME: Final = "edge_agent.drivers.ocpp.libraries"
QUIET_S: Final = 10.0
"""After a complaint, others are only counted for this long."""
_SHOWN_MAX: Final = 200

log = structlog.get_logger(__name__)


class _Complaints(logging.Handler):
    """Tells the first complaint of a burst."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_s = -QUIET_S
        self._held_back = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record of a library."""
        if record.created - self._last_s < QUIET_S:
            self._held_back += 1
            return
        self._last_s = record.created
        cause = record.exc_info[1] if record.exc_info else None
        log.warning(
            "ocpp.complained",
            cause=repr(cause)[:_SHOWN_MAX] if cause else record.getMessage()[:_SHOWN_MAX],
            held_back=self._held_back,
        )
        self._held_back = 0


def library_log() -> logging.Logger:
    """Logger to give to the libraries."""
    logger = logging.getLogger(NAME)
    if not logger.handlers:
        logger.addHandler(_Complaints())
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    return logger
