"""Keys and certificates of one run: an authority that is thrown away with its folder.

The gateways' keys are made here, as a bench would do it; authority and certificates come from the
coordinator's own programs. Nobody keeps the passphrase, so nothing can be issued after the run.
"""

import asyncio
import base64
import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from firmware_sim.demo.processes import ProgramError, dying_with_parent
from firmware_sim.demo.report_files import write_whole
from protocols.identity.requests import make_request
from protocols.vocabulary.errors import ConfigError

PASSPHRASE_VARIABLE: Final = "VPP_AUTHORITY_PASSPHRASE"  # noqa: S105  a name, no secret
FOLDER: Final = "identity"
"""Of a site's identity, beside its configuration."""
PROGRAM_TIMEOUT_S: Final = 60.0
_KEY_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class Identities:
    """The identities of a run.

    Parameters
    ----------
    authority : Path
        Folder of the authority, the coordinator's identity.
    requests : Path
        Folder where requests and answers lie, one folder for each site.
    site_folders : mapping of str to Path
        Folder of each site; its identity comes below it.
    """

    def __init__(
        self, authority: Path, requests: Path, *, site_folders: Mapping[str, Path]
    ) -> None:
        self.authority = authority
        self._requests = requests
        self._site_folders = site_folders

    async def make(self, vpp: str, data_dir: Path, *, zone: str, broker: str) -> None:
        """Make the authority, then keys and certificates of all sites.

        Parameters
        ----------
        vpp : str
            Path of the program.
        data_dir : Path
            Of the coordinator, where its sites are registered.
        zone, broker : str
            Of all sites.

        Raises
        ------
        ProgramError
            If a program refuses.
        ConfigError
            If a file cannot be written.
        """
        passphrase = secrets.token_urlsafe(32)
        identity = ("--identity", str(self.authority))
        await asyncio.gather(
            _run((vpp, "authority", "init", *identity), passphrase),
            asyncio.to_thread(self._ask),
        )
        where = ("--zone", zone, "--broker", broker, "--data-dir", str(data_dir))
        command = (vpp, "sites", "bundles", str(self._requests), *where, *identity)
        await _run(command, passphrase)
        await asyncio.to_thread(self._take)

    def _ask(self) -> None:
        """Make every gateway's keys, and the request for them."""
        for site_id, folder in self._site_folders.items():
            key, signing = (
                ec.generate_private_key(ec.SECP256R1()),
                ed25519.Ed25519PrivateKey.generate(),
            )
            own = folder / FOLDER
            try:
                own.mkdir(parents=True, mode=_FOLDER_MODE)
                _write_key(own / "site.key", key)
                _write_key(own / "signing.key", signing)
                asked = self._requests / site_id
                asked.mkdir(parents=True)
                text = base64.encodebytes(make_request(key, signing, name=site_id))
                (asked / "request.csr").write_bytes(text)
            except OSError as error:
                raise ConfigError(f"{own}: {error.strerror or error}") from None

    def _take(self) -> None:
        """Put the answers where the agents read them."""
        for site_id, folder in self._site_folders.items():
            own, answer = folder / FOLDER, self._requests / site_id
            facts = json.loads((answer / "site.json").read_text(encoding="utf-8"))
            for name in ("site.pem", "trust.pem"):
                write_whole(own / name, (answer / name).read_text(encoding="ascii"))
            write_whole(own / "coordinator-keys.json", json.dumps(facts["coordinator_keys"]))


async def _run(command: Sequence[str], passphrase: str) -> None:
    """Run a program to its end; the passphrase is in its environment only."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, PASSPHRASE_VARIABLE: passphrase},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PROGRAM_TIMEOUT_S):
            _, said = await process.communicate()
    except TimeoutError:
        raise ProgramError(f"{' '.join(command[1:3])}: did not end") from None
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise ProgramError(said.decode(errors="replace").strip() or " ".join(command[1:3]))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    """Write a key that only we can read."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE), "wb") as file:
        file.write(pem)
