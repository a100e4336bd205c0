"""``vpp bench models``: what a forecast costs a gateway: file, features and run, on one thread.

The shipped files are run as at run time, by the one session both programs use. The features of a
site are built from two drawn weeks; those of an area need columns of all areas and are not timed
here (``vpp models evaluate`` runs them).
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from firmware_sim.demo.machine import describe_machine, describe_versions
from models.day_ahead.frame import DAY_AHEAD_VERSION, DayFeatures
from models.session import open_session
from models.shipped_files import shipped_paths
from models.site.load import load_features
from models.site.past import PAST_SLOTS, SitePast, SitePlace
from models.site.pv import pv_features
from models.site.run import LOAD_MODEL, PV_MODEL, SITE_VERSION
from protocols.vocabulary.errors import ConfigError

FORMAT: Final = "vpp-bench-models/1"
EPILOG: Final = "Example 例: vpp bench models --json models.json"
EXIT_BAD_INPUT: Final = 2
STANDARD_OUTPUT: Final = "-"
TIMES: Final = 200
SEED: Final = 5
BUILDERS: Final[dict[str, Callable[[SitePast], DayFeatures]]] = {
    LOAD_MODEL: load_features,
    PV_MODEL: pv_features,
}


def models(
    *,
    times: Annotated[int, typer.Option(min=1, help="Runs of each model. 実行回数。")] = TIMES,
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="Write JSON here; alone, to standard output. JSON出力先。"),
    ] = None,
) -> None:
    """Measure size and time of the shipped forecast models, on one thread.

    予測モデルの大きさと実行時間を、1スレッドで測定します。
    """
    try:
        found = [measured(path, times) for path in shipped_paths()]
        if json_file is not None:
            _write_json(json_file, found)
    except ConfigError as error:
        sys.stderr.write(f"vpp bench models: {error}\n")
        raise typer.Exit(EXIT_BAD_INPUT) from None
    if json_file == STANDARD_OUTPUT:
        return
    sys.stdout.write("model                 bytes      run p50      run p99     features p50\n")
    for one in found:
        features = "" if one["features_ms"] is None else f"{one['features_ms']:10.3f} ms"
        sys.stdout.write(
            f"{one['model']:<16} {one['bytes']:>10,}  {one['run_ms']:8.3f} ms  "
            f"{one['run_ms_p99']:8.3f} ms  {features:>15}\n"
        )


def _write_json(place: str, found: Sequence[Mapping[str, str | int | float | None]]) -> None:
    """Write the figures to a file, or to the standard output for ``-``."""
    plain: dict[str, object] = {"format": FORMAT, "models": list(found)}
    plain |= {"machine": describe_machine(), "versions": describe_versions()}
    text = json.dumps(plain, indent=1) + "\n"
    if place == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        Path(place).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {place}: {error.strerror or error}") from None


def measured(path: Path, times: int) -> dict[str, str | int | float | None]:
    """Open a model and time it.

    Parameters
    ----------
    path : Path
        The ONNX file.
    times : int
        Runs.

    Returns
    -------
    dict
        ``model``, ``bytes``, ``run_ms`` (median) and ``run_ms_p99``, processor time of one run,
        and ``features_ms`` of a site's builder, None for others.

    Raises
    ------
    ConfigError
        If the file is not one for this program.
    """
    name = path.stem
    build = next((one for key, one in BUILDERS.items() if name.startswith(key)), None)
    version = DAY_AHEAD_VERSION if build is None else SITE_VERSION
    session, contract = open_session(path, features_version=version)
    random = np.random.default_rng(SEED)
    inputs = {
        one.name: random.random(one.shape, dtype=np.float32) + np.float32(0.5)
        for one in contract.inputs
    }
    outputs = [contract.outputs[0].name]
    run = _times_ms(lambda: session.run(outputs, inputs), times)
    features = None
    if build is not None:
        past, builder = _drawn_past(random), build
        features = float(np.median(_times_ms(lambda: builder(past).tensors(), times)))
    return {
        "model": name,
        "bytes": path.stat().st_size,
        "run_ms": round(float(np.median(run)), 4),
        "run_ms_p99": round(float(np.quantile(run, 0.99)), 4),
        "features_ms": None if features is None else round(features, 4),
    }


def _times_ms(work: Callable[[], object], times: int) -> list[float]:
    """Processor time of each run in ms, after one that is not counted."""
    work()
    found = []
    for _ in range(times):
        start = time.thread_time()
        work()
        found.append((time.thread_time() - start) * 1000.0)
    return found


def _drawn_past(random: np.random.Generator) -> SitePast:
    """Draw two weeks of a home with PV."""
    slots = np.arange(PAST_SLOTS)
    sun = np.maximum(np.sin(2.0 * np.pi * (slots % 48 - 12) / 48.0), 0.0)
    return SitePast(
        until=datetime(2026, 7, 22, 1, 0, tzinfo=UTC),
        consumption_w=500.0 + 300.0 * random.random(PAST_SLOTS),
        pv_w=4000.0 * sun * random.random(PAST_SLOTS),
        place=SitePlace(latitude=35.6, longitude=139.7, clock_s=32_400, peak_w=5000.0),
    )
