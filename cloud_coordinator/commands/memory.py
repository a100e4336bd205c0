"""``vpp memory``: what was learned of sites and resources, and what learning improved.

Only reads a coordinator's data directory, which may be in use.
Exit codes: 0, 2 for bad input.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.services.learned_totals import spread_of
from cloud_coordinator.services.learning_ports import LearnedTotal, SiteCharacteristics
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import SiteId

EXIT_BAD_INPUT: Final = 2
REGISTRY: Final = "registry.sqlite3"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
DataOption = Annotated[
    Path, typer.Option(help="Data directory of the coordinator. データの保存先。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON. JSONで出力。")]


@app.callback()
def memory() -> None:
    """Show what was learned of sites and resources.

    サイト・リソースの特性の学習結果。
    """


@app.command(epilog="Example 例: vpp memory show --data-dir data --site site-001 --json")
def show(
    *,
    data_dir: DataOption = Path("coordinator-data"),
    site: Annotated[str, typer.Option(help="Only this site. サイトを指定。")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print delay, gain, reliability, efficiency and wear as they are known.

    遅れ・応答率・信頼度・効率・劣化費用を表示します。
    """
    with _registry(data_dir) as registry:
        learned = registry.learned
        found = learned.rows_of([SiteId(site)]) if site else learned.all_rows()
    if site and not found.sites:
        raise ConfigError(f"--site {site}: nothing was learned of it")
    rows = _rows(found)
    if as_json:
        _say(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    _say(
        f"{'site':16} {'name':28} {'kind':10} {'delay s':>7} {'gain':>5} {'reliab.':>7} "
        f"{'effic.':>6} {'JPY/kWh':>7} {'events':>6} {'not believed s':>14}"
    )
    for row in rows:
        efficiency = row["efficiency"]
        shown = "-" if efficiency is None else f"{efficiency:.3f}"
        _say(
            f"{row['site_id']:16} {row['name']:28} {row['kind']:10} {row['delay_s']:7.2f} "
            f"{row['gain']:5.3f} {row['reliability']:7.4f} {shown:>6} "
            f"{row['degradation_jpy_per_kwh']:7.2f} {row['events']:6} {row['discarded_s']:14}"
        )


@app.command(epilog="Example 例: vpp memory report --data-dir data")
def report(*, data_dir: DataOption = Path("coordinator-data"), as_json: JsonOption = False) -> None:
    """Print, award by award, how far the expected sum was from what came.

    Each award is expected twice: by the priors, and by what the awards before it taught.
    各約定について、学習前の想定と、それ以前の約定から学習した想定の誤差を比べます。
    """
    with _registry(data_dir) as registry:
        totals = registry.totals.totals()
    lines = [_line(total) for total in totals]
    kinds = {kind: _summary(kind, totals) for kind in sorted({total.kind for total in totals})}
    if as_json:
        plain = {"awards": lines, "kinds": kinds, "spread": spread_of(totals)}
        _say(json.dumps(plain, ensure_ascii=False, indent=1))
        return
    for line in lines:
        _say(
            f"{line['start_at']}  {line['obligation_id']:24} {line['kind']:10} "
            f"{line['rows']:6} rows  error of the sum: priors {line['error_prior']:7.2%}, "
            f"learned {line['error_learned']:7.2%}"
        )
    for kind, one in kinds.items():
        _say(
            f"{kind}: {one['awards']} awards, after the first: priors {one['error_prior']:.2%}, "
            f"learned {one['error_learned']:.2%}"
        )
    _say(f"deliveries spread {spread_of(totals):.2f} times as wide as expected")


@contextmanager
def _registry(data_dir: Path) -> Iterator[Registry]:
    """Open a registry that is there."""
    path = data_dir / REGISTRY
    if not path.is_file():
        raise ConfigError(f"--data-dir {data_dir}: holds no {REGISTRY}")
    registry = Registry.open(path)
    try:
        yield registry
    finally:
        registry.close()


def _rows(found: SiteCharacteristics) -> list[dict[str, str | float | int | None]]:
    """Turn columns into rows for people."""
    rows = found.rows
    efficiency = [None if math.isnan(one) else one for one in rows.efficiency.tolist()]
    return [
        {
            "site_id": str(found.sites[at]),
            "name": rows.names[at],
            "kind": rows.kinds[at],
            "delay_s": float(rows.delay_s[at]),
            "gain": float(rows.gain[at]),
            "reliability": float(rows.reliability[at]),
            "efficiency": efficiency[at],
            "degradation_jpy_per_kwh": float(rows.degradation_jpy_per_kwh[at]),
            "events": int(rows.events[at]),
            "discarded_s": int(rows.discarded_s[at]),
        }
        for at in range(len(rows.names))
    ]


def _line(total: LearnedTotal) -> Mapping[str, str | int | float]:
    return {
        "obligation_id": str(total.obligation_id),
        "start_at": total.start_at.isoformat(),
        "kind": total.kind,
        "rows": total.rows,
        "called_w": total.called_w,
        "expected_w": total.expected_w,
        "delivered_w": total.delivered_w,
        "error_prior": total.error_prior_w / total.called_w,
        "error_learned": total.error_learned_w / total.called_w,
        "discarded_s": total.discarded_s,
    }


def _summary(kind: str, totals: Sequence[LearnedTotal]) -> Mapping[str, int | float]:
    """Mean errors of a kind; the first award is expected by priors alone and left out."""
    of_kind = [total for total in totals if total.kind == kind]
    later = of_kind[1:] or of_kind
    called_w = sum(total.called_w for total in later)
    return {
        "awards": len(of_kind),
        "error_prior": sum(total.error_prior_w for total in later) / called_w,
        "error_learned": sum(total.error_learned_w for total in later) / called_w,
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> int:
    """Run ``vpp memory``.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp memory") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp memory: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
