"""``vpp models``: train the forecast models, score them, show their cards.

Reads the data catalogue and model files; writes only where it is told to. Exit codes: 0, 1 when
a shipped model does not beat what it must beat, 2 for bad input.
"""

import functools
import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.datasets import read_catalogue
from models.day_ahead.targets import TARGETS, Target
from models.shipped_files import LATEST, card_path, model_path
from models.site.run import LOAD_MODEL, PV_MODEL
from protocols.vocabulary.errors import ConfigError

EXIT_BEATEN: Final = 1
EXIT_BAD_INPUT: Final = 2
_SITE_NAMES: Final = (LOAD_MODEL, PV_MODEL)
_NAMES: Final = ", ".join((*(one.name for one in TARGETS), *_SITE_NAMES))

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
DataOption = Annotated[Path, typer.Option(help="Folder of the data catalogue. データのフォルダ。")]
TargetOption = Annotated[str, typer.Option(help=f"{_NAMES}; all if left out. 対象。")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable. JSON出力。")]
FolderOption = Annotated[
    Path | None, typer.Option(help="Folder of the models; the package's own if left out. 保存先。")
]
FromOption = Annotated[
    str, typer.Option(help="First day scored, YYYY-MM-DD; the last fifth if left out. 評価開始日。")
]


AllOption = Annotated[
    bool, typer.Option("--all-data", help="Learn from all days, score none. 全期間で学習。")
]


@app.callback()
def root() -> None:
    """予測モデル。Train, score and show the forecast models.

    Example: vpp models evaluate --data ../shared/data --target pv
    """


@app.command()
def evaluate(
    *,
    data: DataOption,
    target: TargetOption = "",
    models: FolderOption = None,
    test_from: FromOption = "",
    as_json: JsonOption = False,
) -> None:
    """評価。Score the shipped models against the naive days, linear regression and LightGBM.

    Example: vpp models evaluate --data ../shared/data
    """
    from models.training.card import as_plain, table, verdict  # noqa: PLC0415 extra `train`
    from models.training.evaluate import (  # noqa: PLC0415 extra `train`
        STEPS,
        evaluation_days,
        unseen,
    )
    from models.training.evaluate import evaluate as evaluated  # noqa: PLC0415 extra `train`
    from models.training.samples import build_samples  # noqa: PLC0415 extra `train`
    from models.training.site_card import site_evaluation  # noqa: PLC0415 extra `train`

    found = []
    with _progress() as progress:
        areas = _targets(target)
        history = read_catalogue(data) if areas else None
        for one in areas:
            assert history is not None, "areas are scored on the catalogue"
            days, first = evaluation_days(history, one, _day(test_from))
            path = unseen(one, first, folder=models)
            tick = _counter(progress, one.name, len(days) + STEPS)
            samples = build_samples(history, one, days=days, tick=tick)
            found.append(evaluated(history, one, samples, path=path, test_from=first, tick=tick))
        for name in _site_names(target):
            shown = _shown(progress, name)
            found.append(site_evaluation(name, data, folder=models, tick=shown))
    if as_json:
        _say(json.dumps([as_plain(one) for one in found], ensure_ascii=False, indent=2))
    else:
        for scores in found:
            period = f"{scores.test_from} to {scores.test_until}"
            if scores.target in _SITE_NAMES:
                period = "last fifth of each site"
            _say(f"{scores.target}, {period}, {scores.run_ms:.2f} ms a run")
            _say("\n".join(table(scores)))
            _say(
                verdict(scores)
                + ("" if not scores.seen else " It has SEEN some of these days.")
                + "\n"
            )
    if any(scores.beaten for scores in found):
        raise typer.Exit(EXIT_BEATEN)


@app.command()
def train(  # noqa: PLR0913  one parameter per command line option
    *,
    data: DataOption,
    target: TargetOption = "",
    models: FolderOption = None,
    test_from: FromOption = "",
    all_data: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """学習。Train the models, write the ONNX files and their cards.

    Example: vpp models train --data ../shared/data --target pv --models /tmp/models
    """
    from models.training.card import as_plain  # noqa: PLC0415 extra `train`
    from models.training.card import card as card_text  # noqa: PLC0415 extra `train`
    from models.training.evaluate import STEPS, evaluation_days  # noqa: PLC0415 extra `train`
    from models.training.evaluate import evaluate as evaluated  # noqa: PLC0415 extra `train`
    from models.training.samples import build_samples  # noqa: PLC0415 extra `train`
    from models.training.site_card import site_training  # noqa: PLC0415 extra `train`
    from models.training.train import train as trained  # noqa: PLC0415 extra `train`

    with _progress() as progress:
        areas = _targets(target)
        history = read_catalogue(data) if areas else None
        for one in areas:
            assert history is not None, "areas learn from the catalogue"
            days, first = evaluation_days(history, one, _day(test_from))
            name = one.name + LATEST if all_data else one.name
            first = days[-1] + timedelta(days=1) if all_data else first
            path = model_path(name, folder=models)
            path.parent.mkdir(parents=True, exist_ok=True)
            tick = _counter(progress, f"{name}: features", len(days))
            samples = build_samples(history, one, days=days, tick=tick)
            shown = _shown(progress, name)
            result = trained(samples, one, test_from=first, path=path, tick=shown)
            scores = None
            if not all_data:
                tick = _counter(progress, f"{name}: scores", STEPS)
                scores = evaluated(history, one, samples, path=path, test_from=first, tick=tick)
            text = card_text(one, result, scores)
            card_path(name, folder=models).write_text(text, encoding="utf-8")
            plain = as_plain(scores) if scores else {"target": name}
            _say(json.dumps(plain, ensure_ascii=False) if as_json else text)
        for name in _site_names(target):
            shown = _shown(progress, name)
            text, scores = site_training(name, data, folder=models, all_data=all_data, tick=shown)
            plain = as_plain(scores) if scores else {"target": name}
            _say(json.dumps(plain, ensure_ascii=False) if as_json else text)


@app.command()
def card(
    *, target: TargetOption = "", models: FolderOption = None, as_json: JsonOption = False
) -> None:
    """モデルカード。Print the cards of the shipped models.

    Example: vpp models card --target price
    """
    found = {}
    for name in (*(one.name for one in _targets(target)), *_site_names(target)):
        path = card_path(name, folder=models)
        try:
            found[name] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    _say(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(found.values()))


def _counter(progress: Progress, words: str, total: int) -> Callable[[], None]:
    """Show a bar that moves by one with each call."""
    return functools.partial(progress.advance, progress.add_task(words, total=total))


def _shown(progress: Progress, name: str) -> Callable[[str, float], None]:
    """Show a bar for each thing that is done, and how far it is."""
    tasks: dict[str, TaskID] = {}

    def tick(words: str, part: float) -> None:
        if words not in tasks:
            tasks[words] = progress.add_task(f"{name}: {words}", total=1.0)
        progress.update(tasks[words], completed=part)

    return tick


def _progress() -> Progress:
    """Progress on the error output, so that the result can be piped."""
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _targets(name: str) -> list[Target]:
    """Area target of a name, all for none; none for a site model."""
    found = [one for one in TARGETS if name in {"", one.name}]
    if not found and name not in _SITE_NAMES:
        raise ConfigError(f"--target: {name!r} is none of {_NAMES}")
    return found


def _site_names(name: str) -> list[str]:
    """Site model of a name, all for none."""
    return [one for one in _SITE_NAMES if name in {"", one}]


def _day(text: str) -> date | None:
    """Day of its ISO form."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f"--test-from: {text!r} is no day (YYYY-MM-DD)") from error


def _say(text: str) -> None:
    """Print the result."""
    typer.echo(text)


def main() -> int:
    """Run ``vpp models``; bad input is one line and exit code 2."""
    try:
        app(prog_name="vpp models")
    except ConfigError as error:
        typer.echo(f"vpp models: {error}", err=True)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        words = f"needs the package {error.name!r}; install it with: pip install 'vpp[train]'"
        typer.echo(f"vpp models: {words}", err=True)
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
