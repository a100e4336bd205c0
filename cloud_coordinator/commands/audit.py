"""``vpp audit``: verify, show and export the audit trail, and sign a checkpoint of it.

Exit codes: 0, 1 if the trail is not what it was, 2 for bad input.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cloud_coordinator.audit.chain import read_body, verify
from cloud_coordinator.audit.checkpoint import check
from cloud_coordinator.commands.access_store import (
    DATA,
    DataOption,
    JsonOption,
    office,
    run,
    say,
)
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.auditing import Trail
from protocols.vocabulary.errors import ConfigError

EXIT_WRONG: Final = 1
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def audit() -> None:
    """Verify, show and export the audit trail.

    監査ログ。
    """


@app.command("verify", epilog="Example 例: vpp audit verify --public-key audit.pub")
def verify_trail(
    *,
    data_dir: DataOption = DATA,
    public_key: Annotated[
        Path | None, typer.Option(help="PEM that signed the checkpoints. 公開鍵。")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """改ざんの検査。Check every entry and checkpoint; names the first thing that is wrong."""
    key = None if public_key is None else _public(public_key)
    with office(data_dir) as desk:
        entries = desk.registry.audit.entries()
        checkpoints = desk.registry.audit.checkpoints()
    verdict = verify(entries)
    digests = [one.digest for one in entries]
    fault = verdict.fault or check(checkpoints, digests, key)
    signed = "checked" if key is not None else "not checked, no --public-key"
    fields = {
        "entries": verdict.entries,
        "digest": verdict.digest,
        "checkpoints": len(checkpoints),
        "signatures": signed,
        "fault": fault,
    }
    if as_json:
        say(json.dumps(fields))
    elif fault:
        say(f"WRONG 異常: {fault}")
    else:
        say(
            f"right 正常: {verdict.entries} entries, {len(checkpoints)} checkpoints "
            f"(signatures {signed}); last {verdict.digest}"
        )
    return EXIT_WRONG if fault else 0


@app.command(epilog="Example 例: vpp audit show --last 20")
def show(
    *,
    data_dir: DataOption = DATA,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many. 件数。")] = 50,
    as_json: JsonOption = False,
) -> None:
    """表示。Print the newest entries: when, who, from where, what, result, why."""
    with office(data_dir) as desk:
        newest = desk.registry.audit.last()
        after = 0 if newest is None else max(newest.number - last, 0)
        found = desk.registry.audit.entries(after=after)
    for entry in found:
        body = read_body(entry) or {}
        if as_json:
            say(json.dumps({**body, "digest": entry.digest}, ensure_ascii=False))
            continue
        parts = (body.get(name, "") for name in ("at", "who", "where", "what", "result", "why"))
        say(f"{entry.number:6} " + " | ".join(str(one) for one in parts))


@app.command(epilog="Example 例: vpp audit export audit.jsonl")
def export(
    *,
    file: Annotated[Path, typer.Argument(help="To write, JSON lines. 出力先。")],
    data_dir: DataOption = DATA,
) -> None:
    """書き出し。Write all entries and checkpoints as JSON lines, bodies as they were signed."""
    with office(data_dir) as desk:
        entries = desk.registry.audit.entries()
        checkpoints = desk.registry.audit.checkpoints()
    lines = [
        json.dumps(
            {"number": one.number, "digest": one.digest, "body": one.body.decode(errors="replace")},
            ensure_ascii=False,
        )
        for one in entries
    ]
    lines += [json.dumps({"checkpoint": json.loads(one.encode())}) for one in checkpoints if one]
    try:
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error
    say(f"{file}: {len(entries)} entries, {len(checkpoints)} checkpoints")


@app.command(epilog="Example 例: vpp audit checkpoint --key audit.pem")
def checkpoint(
    *,
    key: Annotated[Path, typer.Option(help="Ed25519 private key, PEM. 署名鍵。")],
    data_dir: DataOption = DATA,
) -> None:
    """署名。Sign the trail as it is now, so that its end cannot be cut off unseen."""
    private = _private(key)
    with office(data_dir) as desk:
        made = Trail(desk.registry.audit, SystemClock(), private).checkpoint()
    if made is None:
        raise ConfigError(f"--data-dir {data_dir}: the trail has no entry yet")
    say(f"signed {made.entries} entries, last {made.digest}")


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is no readable private key (PEM)") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ConfigError(f"{path}: is not an Ed25519 key")
    return found


def _public(path: Path) -> Ed25519PublicKey:
    try:
        found = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is no readable public key (PEM)") from error
    if not isinstance(found, Ed25519PublicKey):
        raise ConfigError(f"{path}: is not an Ed25519 key")
    return found


def main() -> int:
    """Run ``vpp audit``; returns the exit code."""
    return run(app, "audit")


if __name__ == "__main__":
    sys.exit(main())
