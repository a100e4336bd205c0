"""``vpp evidence``: wiring only. Exports and checks the evidence of an obligation.

Exit codes: 0 if everything holds, 1 if something does not, 2 for bad input.
"""

import json
import ssl
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.evidence_file import Sources, fault, make_evidence, owed
from cloud_coordinator.commands.evidence_rows import covered_s, spans_of, telemetry_of
from cloud_coordinator.gateway.authority.files import AuthorityFiles, read_bounded, write_whole
from cloud_coordinator.gateway.evidence_log import kept_digests, kept_messages
from cloud_coordinator.gateway.secured import open_security
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from cloud_coordinator.store.registry import Registry
from protocols.link.topics import parse_topic
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import ObligationId, SiteId

EXIT_BROKEN: Final = 1
EXIT_BAD_INPUT: Final = 2
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def evidence() -> None:
    """Evidence of an obligation: who ordered what, who took it, what the gateways wrote then.

    義務の証拠：署名付きの指令・受領・実績を第三者が検証できます。
    """


@app.command(epilog="Example 例: vpp evidence export award-1-site-1 --identity authority")
def export(
    *,
    obligation: Annotated[str, typer.Argument(help="Its id. 義務ID。")],
    identity: Annotated[Path, typer.Option(help="Folder of the authority. 認証局。")],
    data_dir: Annotated[Path, typer.Option(help="Of the coordinator. データの保存先。")] = Path(
        "coordinator-data"
    ),
    site: Annotated[str | None, typer.Option(help="Only of this site. この拠点のみ。")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write. 出力先。")] = None,
) -> None:
    """Write everything signed about an obligation, and its seconds, into one file.

    署名付きの指令・受領・実績を一つのファイルに書き出します。
    """
    kept = data_dir / "evidence"
    messages = [
        one
        for one in kept_messages(kept, ObligationId(obligation))
        if site is None or parse_topic(one[1]).site_id == site
    ]
    if not messages:
        raise ConfigError(f"{kept}: nothing about obligation {obligation!r}")
    security = open_security(identity)
    sites = {site for _, topic, _ in messages if (site := parse_topic(topic).site_id) is not None}
    sources = Sources(
        certificates=_certificates(data_dir, sites, security.files),
        root=read_bounded(security.files.root).decode(),
        telemetry=telemetry_of(
            kept_digests(kept),
            spans_of((topic, bytes.fromhex(data)) for _, topic, data in messages),
            history=data_dir / "telemetry",
        ),
    )
    content = make_evidence(obligation, messages, sources=sources, signer=security.signer)
    path = output or Path(f"{obligation.replace('/', '-')}.evidence.json")
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
    sys.stdout.write(f"{path}: {len(messages)} messages of {len(sites)} sites 書き出しました\n")


@app.command(epilog="Example 例: vpp evidence verify award-1.evidence.json --root root.pem")
def verify(
    *,
    file: Annotated[Path, typer.Argument(help="The evidence. 証拠ファイル。")],
    keys: Annotated[
        Path | None, typer.Option(help="coordinator-keys.json you trust. 信頼する公開鍵。")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="root.pem you trust. 信頼するルート。")] = None,
) -> None:
    """Check a file by public keys alone, and name the first thing that is wrong.

    公開鍵だけで検証し、最初の誤りを示します。
    """
    text = _read(file)
    trusted = None if keys is None else _keys(keys)
    anchor = None if root is None else read_bounded(root)
    wrong = fault(text, keys=trusted, root=anchor)
    if wrong:
        sys.stdout.write(f"BROKEN 不正: {file}: {wrong}\n")
        raise typer.Exit(EXIT_BROKEN)
    data = json.loads(text)
    shown_s, owed_s = covered_s(data["telemetry"], owed(data))
    sys.stdout.write(
        f"holds 有効: {file}: {len(data['messages'])} messages; telemetry under the gateways' "
        f"digests 署名付き実績: {shown_s} of {owed_s} s\n"
    )
    if keys is None or root is None:
        sys.stdout.write(
            "by the file's own keys; give --keys and --root to know whose 鍵の所有者は未確認\n"
        )


def _certificates(data_dir: Path, sites: set[SiteId], files: AuthorityFiles) -> dict[str, str]:
    """PEM of the sites' certificates, each list ended by the intermediate."""
    intermediate = read_bounded(files.intermediate).decode()
    registry = Registry.open(data_dir / "registry.sqlite3")
    try:
        enrolments = EnrolmentRegistry(registry.database)
        return {
            site: "".join(
                ssl.DER_cert_to_PEM_cert(one.certificate) for one in enrolments.certificates(site)
            )
            + intermediate
            for site in sites
        }
    finally:
        registry.close()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _keys(path: Path) -> dict[str, bytes]:
    try:
        return {str(name): bytes.fromhex(text) for name, text in json.loads(_read(path)).items()}
    except (ValueError, AttributeError, TypeError):
        raise ConfigError(f"{path}: is not a list of keys") from None


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code.
    """
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))
    return code if isinstance(code, int) else 0


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp evidence: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
