"""Refusals of the use cases; ``web`` turns each into one problem+json status."""

from protocols.vocabulary.errors import VppError


class RejectedError(VppError):
    """The request is understood and wrong; the message names the field and the cause (422)."""


class ConflictError(VppError):
    """The request contradicts what is already recorded (409)."""


class UnknownError(VppError):
    """There is no such thing (404)."""


class StaleError(VppError):
    """What is known of the fleet is too old to decide on (503)."""
