"""Instants as integer microseconds, exact both ways. Called by the journal's rooms only."""

from datetime import UTC, datetime, timedelta
from typing import Final

MICROSECONDS_PER_S: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds_of(moment: datetime) -> int:
    """Unix time of an aware datetime in microseconds."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICROSECONDS_PER_S + delta.microseconds


def moment_of(microseconds: int) -> datetime:
    """Aware UTC datetime of a Unix time in microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)
