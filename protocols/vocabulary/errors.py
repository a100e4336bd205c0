"""The error tree of the whole product.

One tree, so that a border can catch a family by name. A missing or bad reading is a
quality (:mod:`protocols.vocabulary.measurement`), never one of these. Codecs import this
module and nothing else of the vocabulary.
"""


class VppError(Exception):
    """Root of every error this product raises on purpose."""


class ProtocolError(VppError):
    """The rules of a wire protocol were broken."""


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; the message was not taken."""


class UnsupportedVersionError(RemoteProtocolError):
    """A link message carries a version this program does not know."""


class DeviceError(VppError):
    """A device did not do what was asked.

    Attributes
    ----------
    retryable : bool
        True if the same request may be sent again without another look at the device.
    """

    retryable = False


class DeviceTimeoutError(DeviceError):
    """No answer within the device's time-out. A read may be repeated, a write may not."""

    retryable = True


class DeviceRefusedError(DeviceError):
    """The device answered that it will not."""


class DeviceUnsupportedError(DeviceError):
    """The device's own property map says it cannot."""


class LinkError(VppError):
    """The link between edge and cloud failed."""


class ControlError(VppError):
    """Control could not find an answer by the method asked for."""


class InfeasibleError(ControlError):
    """No point satisfies the constraints."""


class SolverFailedError(ControlError):
    """The solver stopped without a usable answer."""


class JournalError(VppError):
    """The journal is corrupt, foreign or cannot be written."""


class StoreError(VppError):
    """The coordinator's store is corrupt, foreign or cannot be written."""


class ConfigError(VppError):
    """What a person wrote is wrong. The message names the place and the cause."""


class AccessDeniedError(VppError):
    """The caller may not do that."""
