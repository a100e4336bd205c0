"""The authority of a coordinator: made once, opened with its passphrase, issues and revokes.

The root signs the intermediate and is not read again; the intermediate issues day by day.
Called by ``vpp authority``, ``vpp sites`` and the enrolment server.
"""

import ipaddress
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud_coordinator.gateway.authority.files import (
    KEY_MODE,
    AuthorityFiles,
    read_bounded,
    write_whole,
)
from cloud_coordinator.gateway.authority.making import (
    INTERMEDIATE_LIFE,
    ROOT_LIFE,
    SERVER_LIFE,
    Issuer,
    Period,
    make_intermediate,
    make_root,
    make_server,
    make_site,
)
from cloud_coordinator.gateway.authority.revoked import RevokedSerials
from protocols.identity.names import COORDINATOR_NAME, pin_of
from protocols.identity.requests import SiteRequest
from protocols.identity.signing import key_id_of
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId

PASSPHRASE_CHARACTERS_MIN: Final = 12


class Authority:
    """An authority that can issue.

    Parameters
    ----------
    files : AuthorityFiles
        Its folder.
    issuer : Issuer
        The intermediate.
    root : x509.Certificate
        What gateways trust.
    """

    def __init__(self, files: AuthorityFiles, issuer: Issuer, root: x509.Certificate) -> None:
        self.files = files
        self.root = root
        self.revoked = RevokedSerials(files.revoked)
        self._issuer = issuer

    @classmethod
    def open(cls, folder: Path, passphrase: bytes) -> Self:
        """Open with the passphrase of the intermediate.

        Raises
        ------
        ConfigError
            If it is not an authority, damaged, or the passphrase is wrong.
        """
        files = AuthorityFiles(folder=folder)
        if not files.root.is_file():
            raise ConfigError(f"{folder}: is no authority; make one with `vpp authority init`")
        root = _certificate(files.root)
        issuer = Issuer(
            certificate=_certificate(files.intermediate),
            key=_key(files.intermediate_key, passphrase),
        )
        if issuer.certificate.public_key() != issuer.key.public_key():
            raise ConfigError(f"{files.intermediate}: does not belong to its key")
        opened = cls(files, issuer, root)
        opened.revoked.serials()
        return opened

    @property
    def pin(self) -> bytes:
        """Pin of the root, for codes."""
        return pin_of(self.root)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Intermediate and root, in the order of RFC 7030's cacerts."""
        return (self._issuer.certificate, self.root)

    def issue(self, request: SiteRequest, *, at: datetime, life: timedelta) -> x509.Certificate:
        """Certify a gateway.

        Parameters
        ----------
        request : SiteRequest
            Checked: it holds its key, and is for the site it may be.
        at : datetime
            Aware UTC.
        life : timedelta
            How long it holds.
        """
        return make_site(
            request.public,
            self._issuer,
            site_id=SiteId(request.site_id),
            receipt_key=request.receipt_key,
            period=Period(start=at, life=life),
        )

    def certify_server(self, *, names: Sequence[str], at: datetime) -> x509.Certificate:
        """Make the coordinator a new key and certificate; the files change one after the other."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = make_server(
            key.public_key(),
            self._issuer,
            names=[_general_name(name) for name in names],
            period=Period(start=at, life=SERVER_LIFE),
        )
        _keep_key(self.files.server_key, key, NoEncryption())
        write_whole(self.files.server, _pem(made, self._issuer.certificate))
        return made

    def renew_server(self, *, at: datetime) -> x509.Certificate:
        """Make the coordinator a new key and certificate for the names that it has.

        Raises
        ------
        ConfigError
            If the present certificate cannot be read.
        """
        names = server_names(_certificate(self.files.server))
        return self.certify_server(names=names, at=at)

    def server_is_due(self, *, at: datetime) -> bool:
        """Whether a third or less is left of the life of the coordinator's certificate."""
        certificate = _certificate(self.files.server)
        end = certificate.not_valid_after_utc
        return end - at <= (end - certificate.not_valid_before_utc) / 3

    def coordinator_keys(self) -> bytes:
        """Public keys that gateways accept, as their file."""
        return read_bounded(self.files.coordinator_keys)


def make_authority(
    folder: Path, passphrase: bytes, *, name: str, names: Sequence[str], at: datetime
) -> Authority:
    """Make an authority: root, intermediate, the coordinator's certificate and signing key.

    The root's certificate is written last but one of all, so a folder that was left half made
    is not taken for an authority and can be made again.

    Raises
    ------
    ConfigError
        If there is one already, the passphrase is too short, or the folder cannot be written.
    """
    files = AuthorityFiles(folder=folder)
    if files.root.exists():
        raise ConfigError(f"{folder}: there is an authority already")
    check_passphrase(passphrase)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = make_root(root_key, name=name, period=Period(start=at, life=ROOT_LIFE))
    issuer = _new_intermediate(files, Issuer(certificate=root, key=root_key), passphrase, at=at)
    _keep_key(files.root_key, root_key, BestAvailableEncryption(passphrase))
    if not files.revoked.exists():
        write_whole(files.revoked, b"{}")
    authority = Authority(files, issuer, root)
    authority.certify_server(names=names, at=at)
    add_signing_key(files)
    write_whole(files.root, _pem(root))
    return authority


def rotate_intermediate(folder: Path, passphrase: bytes, *, at: datetime) -> Authority:
    """Make a new intermediate, for which the root's key must be back in the folder.

    Certificates issued before stay valid: they carry their own intermediate.

    Raises
    ------
    ConfigError
        If the root's key is not there or the passphrase is wrong.
    """
    files = AuthorityFiles(folder=folder)
    if not files.root_key.is_file():
        raise ConfigError(f"{files.root_key}: bring the root's key back for this")
    root = Issuer(certificate=_certificate(files.root), key=_key(files.root_key, passphrase))
    return Authority(files, _new_intermediate(files, root, passphrase, at=at), root.certificate)


def add_signing_key(files: AuthorityFiles) -> str:
    """Make a new signing key; the public keys of former ones stay in the list.

    Returns
    -------
    str
        Its key id.
    """
    key = ed25519.Ed25519PrivateKey.generate()
    known: dict[str, str] = {}
    if files.coordinator_keys.is_file():
        try:
            known = dict(json.loads(read_bounded(files.coordinator_keys)))
        except (ValueError, TypeError):
            raise ConfigError(f"{files.coordinator_keys}: is not a list of keys") from None
    public = key.public_key().public_bytes_raw()
    key_id = key_id_of(public)
    known[key_id] = public.hex()
    write_whole(files.coordinator_keys, json.dumps(known, indent=1).encode())
    _keep_key(files.signing_key, key, NoEncryption())
    return key_id


def server_names(certificate: x509.Certificate) -> list[str]:
    """Names of a server's certificate, but for the fixed one."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    addresses = [str(one) for one in found.get_values_for_type(x509.IPAddress)]
    names = [name for name in found.get_values_for_type(x509.DNSName) if name != COORDINATOR_NAME]
    return [*names, *addresses]


def check_passphrase(passphrase: bytes) -> None:
    """Refuse a passphrase that is too short; says nothing of what it is.

    Raises
    ------
    ConfigError
        If it is.
    """
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise ConfigError(f"passphrase: use at least {PASSPHRASE_CHARACTERS_MIN} characters")


def _new_intermediate(
    files: AuthorityFiles, root: Issuer, passphrase: bytes, *, at: datetime
) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = str(root.certificate.subject.rdns[0].rfc4514_string()).removeprefix("CN=")
    made = make_intermediate(
        key.public_key(),
        root,
        name=name.removesuffix(" root"),
        period=Period(start=at, life=INTERMEDIATE_LIFE),
    )
    _keep_key(files.intermediate_key, key, BestAvailableEncryption(passphrase))
    write_whole(files.intermediate, _pem(made))
    return Issuer(certificate=made, key=key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise ConfigError(f"name {name!r}: neither an address nor a DNS name") from None


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def _keep_key(
    path: Path,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    encryption: KeySerializationEncryption,
) -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    write_whole(path, data, mode=KEY_MODE)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_bounded(path))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: is not a certificate") from None


def _key(path: Path, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_bounded(path), password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: wrong passphrase, or damaged") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: is not an EC key")
    return key
