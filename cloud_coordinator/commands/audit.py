"""``vpp audit``: verify, show and export the audit trail, and sign a checkpoint of it.

Exit codes: 0, 1 if the trail is not what it was, 2 for bad input.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cloud_coordinator.audit.chain import Entry, read_body, verify
from cloud_coordinator.audit.checkpoint import Checkpoint, check
from cloud_coordinator.audit.export import export_lines, read_export
from cloud_coordinator.commands.access_store import (
    DATA,
    DataOption,
    JsonOption,
    run,
    say,
)
from cloud_coordinator.commands.recorded import REGISTRY
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.auditing import Trail
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.errors import ConfigError

EXIT_WRONG: Final = 1
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def audit() -> None:
    """Verify, show and export the audit trail.

    監査ログ。
    """


@app.command("verify", epilog="Example 例: vpp audit verify --keys coordinator-keys.json")
def verify_trail(
    *,
    data_dir: DataOption = DATA,
    file: Annotated[
        Path | None, typer.Option(help="An export, instead of the data. 書き出したファイル。")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="Who signed: coordinator-keys.json, or a public key (PEM). 公開鍵。"),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """改ざんの検査。Check every entry and checkpoint; names the first thing that is wrong."""
    trusted = () if keys is None else _public(keys)
    entries, checkpoints, broken = _stored(data_dir) if file is None else _exported(file)
    verdict = verify(entries)
    fault = verdict.fault or broken or check(checkpoints, [one.digest for one in entries], trusted)
    signed = "checked" if trusted else "not checked, no --keys"
    last = max((one.entries for one in checkpoints if one is not None), default=0)
    fields = {
        "entries": verdict.entries,
        "digest": verdict.digest,
        "checkpoints": len(checkpoints),
        "signatures": signed,
        "after_last_checkpoint": max(verdict.entries - last, 0),
        "fault": fault,
    }
    if as_json:
        say(json.dumps(fields))
    elif fault:
        say(f"WRONG 異常: {fault}")
    else:
        say(
            f"right 正常: {verdict.entries} entries, {len(checkpoints)} checkpoints "
            f"(signatures {signed}), {fields['after_last_checkpoint']} entries after the last; "
            f"digest {verdict.digest}"
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
    with _registry(data_dir) as registry:
        newest = registry.audit.last()
        after = 0 if newest is None else max(newest.number - last, 0)
        found = registry.audit.entries(after=after)
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
    entries, checkpoints, _ = _stored(data_dir)
    try:
        with file.open("w", encoding="utf-8") as written:
            written.writelines(f"{line}\n" for line in export_lines(entries, checkpoints))
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
    with _registry(data_dir) as registry:
        made = Trail(registry.audit, SystemClock(), private).checkpoint()
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


def _public(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """Read the coordinator's file of keys, old ones too, or one key in PEM."""
    try:
        data = path.read_bytes()
        if not data.lstrip().startswith(b"{"):
            found = load_pem_public_key(data)
            if not isinstance(found, Ed25519PublicKey):
                raise ConfigError(f"{path}: is not an Ed25519 key")
            return (found,)
        texts = json.loads(data).values()
        return tuple(Ed25519PublicKey.from_public_bytes(bytes.fromhex(one)) for one in texts)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: holds no public key that can be read") from error


@contextmanager
def _registry(data_dir: Path) -> Iterator[Registry]:
    path = data_dir / REGISTRY
    if not path.exists():
        raise ConfigError(f"--data-dir {data_dir}: holds no {REGISTRY}")
    registry = Registry.open(path)
    try:
        yield registry
    finally:
        registry.close()


def _stored(data_dir: Path) -> tuple[Sequence[Entry], Sequence[Checkpoint | None], str]:
    with _registry(data_dir) as registry:
        return registry.audit.entries(), registry.audit.checkpoints(), ""


def _exported(file: Path) -> tuple[Sequence[Entry], Sequence[Checkpoint | None], str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return read_export(lines)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error


def main() -> int:
    """Run ``vpp audit``; returns the exit code."""
    return run(app, "audit")


if __name__ == "__main__":
    sys.exit(main())
