"""``vpp certificate``: wiring only. Makes and checks certificates of commitments.

Exit codes: 0 if everything holds, 1 if a claim does not, 2 for bad input.
"""

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from cloud_coordinator.allocation.certificate import certify, promise_of, to_data, verify
from cloud_coordinator.allocation.dependable import Demanded, allocate_dependably
from cloud_coordinator.allocation.engines import kernel_absence
from cloud_coordinator.allocation.experience import simulated_probability
from cloud_coordinator.allocation.problem import FleetColumns, Product
from cloud_coordinator.allocation.promise import SharedOutage
from cloud_coordinator.commands.api_client import (
    URL,
    CaOption,
    KeyFileOption,
    Server,
    UrlOption,
    ask,
)
from cloud_coordinator.services.records import Way
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_BROKEN: Final = 1
EXIT_BAD_INPUT: Final = 2
DRAWS_MAX: Final = 10_000_000
STANDARD_ERRORS: Final = 4.0
"""How far a simulation may lie below the claim by chance."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def certificate() -> None:
    """Certificates of commitments: what they hold against.

    約束の証明書：どこまでの停止に耐えるか。
    """


@app.command("verify", epilog="Example 例: vpp certificate verify award.json --draws 100000")
def verify_file(
    *,
    file: Annotated[Path, typer.Argument(help="The certificate. 証明書。")],
    draws: Annotated[
        int, typer.Option(help="Also simulate so many draws. シミュレーション回数。")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the draws. 乱数の種。")] = 1,
) -> None:
    """Compute every claim of a certificate again from its file alone.

    証明書の内容を、ファイルだけから再計算して確かめます。
    """
    data = _read(file)
    wrong = list(verify(data))
    chance = float(data["claims"]["delivery_probability"])
    if not 0 <= draws <= DRAWS_MAX:
        raise ConfigError(f"--draws {draws}: from 0 to {DRAWS_MAX:,}")
    if draws:
        seen = simulated_probability(
            promise_of(data),
            float(data["obligation_w"]),
            draws=draws,
            random=np.random.default_rng(seed),
        )
        error = math.sqrt(max(chance * (1.0 - chance), 1.0 / draws) / draws)
        sys.stdout.write(
            f"drawn {draws:,} times 抽選: claimed 証明 {chance:.6f}, seen 実測 {seen:.6f}, "
            f"standard error 標準誤差 {error:.6f}: {_agreement(seen - chance, error)}\n"
        )
        if seen < chance - STANDARD_ERRORS * error:
            wrong.append(f"only {seen:.6f} of the draws deliver, claimed are {chance:.6f}")
    award = data.get("award")
    if isinstance(award, dict) and award.get("kept") is False:
        wanted = award.get("probability_wanted")
        sys.stdout.write(f"NOT as probable as wanted ({wanted}) 目標の確率に届きません\n")
    for sentence in wrong:
        sys.stdout.write(f"broken: {sentence}\n")
    if not wrong:
        share = float(data["claims"]["any_share_of_sites_offline"])
        sys.stdout.write(
            f"holds: {chance:.4%} probable, and with any {share:.2%} of the sites offline\n"
        )
    raise typer.Exit(EXIT_BROKEN if wrong else 0)


def _agreement(off: float, error: float) -> str:
    if abs(off) <= STANDARD_ERRORS * error:
        return "they agree 一致"
    return "more is delivered than claimed 証明より確実" if off > 0.0 else "they differ 不一致"


@app.command(epilog="Example 例: vpp certificate fetch award-1 --output award.json")
def fetch(  # noqa: PLR0913  one parameter per command line option
    *,
    award: Annotated[str, typer.Argument(help="Id of the award. 約定ID。")],
    output: Annotated[Path, typer.Option(help="Where to write it. 出力先。")],
    direction: Annotated[Way, typer.Option(help="Upward or downward. 上げ・下げ。")] = Way.UP,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
) -> None:
    """Fetch the certificate of an award from the coordinator, and check it.

    約定の証明書を取得し、内容を確かめます。
    """
    data = ask(
        Server(url=url, key_file=key_file, ca=ca),
        ("awards", award, "certificate"),
        {"direction": direction.value},
    )
    _write(data, output)
    verify_file(file=output)


@app.command(epilog="Example 例: vpp certificate make obligation.json --output award.json")
def make(
    *,
    file: Annotated[Path, typer.Argument(help="Obligation and sites. 義務とサイトの一覧。")],
    output: Annotated[Path, typer.Option(help="Where to write it. 出力先。")],
) -> None:
    """Allocate an obligation so that it is kept with a probability, and certify it.

    義務を信頼度つきで配分し、証明書を作ります。
    """
    absence = kernel_absence()
    if absence is not None:
        sys.stderr.write(f"the allocation runs on NumPy: {absence}\n")
    data = _read(file)
    try:
        fleet, demanded, ids = _question(data)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file}: {error!r}") from error
    found = allocate_dependably(fleet, demanded)
    made = certify(ids, found.promise, demanded.product.required_w)
    _write(to_data(made), output)
    kept = "kept" if found.is_kept else "NOT kept: the sites are too few"
    sys.stdout.write(
        f"{demanded.probability:.4%} wanted, {made.delivery_probability:.4%} found, {kept}; "
        f"margin {found.margin_w:.0f} W, {found.allocation.cost_jpy_per_h:.2f} JPY/h\n"
    )
    raise typer.Exit(0 if found.is_kept else EXIT_BROKEN)


def _question(data: dict[str, Any]) -> tuple[FleetColumns, Demanded, tuple[str, ...]]:
    sites = data["sites"]
    ids = tuple(str(one) for one in sites["id"])
    place = {name: at for at, name in enumerate(ids)}
    columns = {
        name: np.array(sites[name], dtype=np.float64)
        for name in ("price_jpy_per_kwh", "steepness_jpy_per_kwh_w", "power_w_max", "reliability")
    }
    reliability = columns.pop("reliability")
    fleet = FleetColumns(**columns, power_w_min=np.zeros(len(ids)), resource_id=ids)
    causes = tuple(
        SharedOutage(
            name=str(cause["name"]),
            outage_probability=float(cause["outage_probability"]),
            members=np.array([place[str(name)] for name in cause["sites"]], dtype=np.int64),
        )
        for cause in data.get("common_causes", [])
    )
    product = Product(
        name="obligation",
        required_w=float(data["obligation_w"]),
        shortage_jpy_per_kwh=float(data["shortage_jpy_per_kwh"]),
    )
    demanded = Demanded(
        product=product,
        reliability=reliability,
        causes=causes,
        probability=float(data.get("probability", 0.999)),
    )
    return fleet, demanded, ids


def _write(data: dict[str, Any], output: Path) -> None:
    try:
        output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {output}: {error.strerror or error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: holds no object")
    return data


def main() -> int:
    """Run ``vpp certificate``.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp certificate") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp certificate: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
