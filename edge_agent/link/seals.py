"""The gateway's half of signatures: what it believes, and its own seal on what it reports.

A message is decoded first, within its bounds, and then judged on the bytes of the wire before
anything acts on it: what cannot be read is refused without the cost of a signature. Orders
(snapshots, obligations, commands, signals) need the coordinator's seal. An acknowledgement
without one may say that the link lives and what was received, which the next honest one
corrects; what it calls durable does not count, so nobody else can have the journal trimmed. Made
by main when there is an identity.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from edge_agent.identity.files import (
    IdentityFiles,
    coordinator_keys_in,
    own_signing_key,
    read_bounded,
)
from protocols.identity.signing import (
    NO_END_MS,
    SealGuard,
    SealRefusal,
    Signer,
    Statement,
    Verifier,
)
from protocols.link.fencing import partition_lease
from protocols.link.messages import Acknowledgement, Event, Message, Offer
from protocols.link.topics import Address, TopicKind
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId


class LinkSeals:
    """Verifies what comes down and seals what goes up.

    Parameters
    ----------
    site_id, zone : SiteId, ZoneId
        Who we are; a seal for anybody else is none.
    verifier : Verifier
        With the coordinator's keys.
    signer : Signer
        Our own key of receipts.
    epochs : mapping of str to int
        Highest epoch per lease, as persisted.
    """

    def __init__(
        self,
        site_id: SiteId,
        zone: ZoneId,
        *,
        verifier: Verifier,
        signer: Signer,
        epochs: Mapping[str, int],
    ) -> None:
        self._site_id = site_id
        self._zone = zone
        self._signer = signer
        # A site and a zone may bear the same name: each has its own guard. The epoch
        # of a seal is the run's, whatever lease the message itself names.
        held = epochs.get(partition_lease(site_id), 0)
        self._own = SealGuard(verifier, {site_id: held})
        self._market = SealGuard(verifier, {zone: held})

    def judge(self, address: Address, data: bytes, moment: datetime) -> SealRefusal | None:
        """Judge a message as it came; None if it may be read and acted on."""
        now_ms = _ms(moment)
        if address.kind is TopicKind.SIGNAL:
            return self._market.admit(address.kind.value, self._zone, data, now_ms=now_ms)
        return self._own.admit(address.kind.value, self._site_id, data, now_ms=now_ms)

    def believed(
        self, address: Address, data: bytes, message: Message, *, moment: datetime
    ) -> Message | SealRefusal:
        """Return a message as far as it may be believed, or why it may not at all."""
        refusal = self.judge(address, data, moment)
        if refusal is None:
            return message
        if isinstance(message, Acknowledgement) and refusal is SealRefusal.UNSEALED:
            return replace(message, durable={})
        return refusal

    def sealed(self, kind: TopicKind, message: Message, data: bytes) -> bytes:
        """Return what goes up with our seal, where it bears one."""
        if not isinstance(message, Event | Offer):
            return data
        begins = _ms(message.recorded_at) if isinstance(message, Event) else 0
        statement = Statement(
            kind=kind.value,
            scope=self._site_id,
            sequence=message.sequence,
            epoch=0,
            not_before_ms=begins,
            valid_until_ms=NO_END_MS,
        )
        return self._signer.seal(statement, data)


def open_seals(
    files: IdentityFiles, site_id: SiteId, zone: ZoneId, *, epochs: Mapping[str, int]
) -> LinkSeals:
    """Make the seals of a site from its identity's files.

    Raises
    ------
    ConfigError
        If a file is missing or holds something else: a copied disk without its keys is no
        gateway, and no new key is made for it here.
    """
    if not files.complete:
        raise ConfigError(
            f"{files.folder}: keys or certificate are missing; `edge-agent provision`"
        )
    keys = coordinator_keys_in(read_bounded(files.coordinator_keys), str(files.coordinator_keys))
    signer = Signer(own_signing_key(files.signing_key).private_bytes_raw())
    verifier = Verifier(keys.values())
    return LinkSeals(site_id, zone, verifier=verifier, signer=signer, epochs=epochs)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
