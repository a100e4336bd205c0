"""The model card of a site's model, and its evaluation and training from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from models.shipped_files import LATEST, card_path, model_path
from models.site.run import LOAD_MODEL, PV_MODEL
from models.training.baselines import SCORED
from models.training.card import table, verdict
from models.training.evaluate import BASELINES, Evaluation
from models.training.recipes import KINDS, SITE_RECIPES, Trained
from models.training.site_evaluate import evaluate_site
from models.training.site_samples import SITE_TARGETS, site_samples

STEPS: Final = 4 + len(SCORED)
WHAT: Final = {
    LOAD_MODEL: "the load of one site (W, next 48 half hours, consumption positive, without PV)",
    PV_MODEL: "the PV output of one site (W, next 48 half hours)",
}
SOURCES: Final = {
    LOAD_MODEL: "152 Swiss homes (R package ResidentialEnergyConsumption, University of Bamberg, "
    "CC BY-SA 4.0), 17 US homes (CityLearn challenge 2022, MIT; hourly), 6 trade, farm and 6 "
    "household profiles (simbench, ODbL 1.0), one French home (UCI, CC BY 4.0)",
    PV_MODEL: "roofs of 16 US homes (CityLearn challenge 2022, MIT; hourly), 8 German systems "
    "(simbench, ODbL 1.0), one system of NREL (MIT), two US roofs (solar-data-tools, BSD-2)",
}
LIMITS: Final = {
    LOAD_MODEL: (
        "There is no Japanese home or shop in the data: what is particular to Japan (heated "
        "tables, baths at night, public holidays) is only seen through the site's own last two "
        "weeks.",
        "The gateway has no weather: a change of weather shows only when the load has changed.",
        "Most homes were learned from five weeks of one winter.",
        "A single kettle is not foreseen: the band says how much a home scatters.",
        "A site whose unmetered PV sits in its load is refused; persistence answers.",
    ),
    PV_MODEL: (
        "There is no weather forecast on the gateway: most of the error is tomorrow's clouds.",
        "Roofs of one source stand close together and saw the same clouds.",
        "Output that a command held down counts as little sun.",
        "Snow on a roof is seen after the first dark day.",
    ),
}


def site_evaluation(
    name: str, data: Path, *, folder: Path | None, tick: Callable[[str, float], None]
) -> Evaluation:
    """Score the shipped model of a name on the catalogue.

    Raises
    ------
    ConfigError
        If the data or the model cannot be used.
    """
    target = next(one for one in SITE_TARGETS if one.name == name)
    made = site_samples(target, data, tick=lambda part: tick("features", part))
    steps = iter(range(1, STEPS + 1))
    path = model_path(name, folder=folder)
    return evaluate_site(
        made, target, path=path, tick=lambda: tick("scores", next(steps, STEPS) / STEPS)
    )


def site_training(
    name: str,
    data: Path,
    *,
    folder: Path | None,
    all_data: bool,
    tick: Callable[[str, float], None],
) -> tuple[str, Evaluation | None]:
    """Train the model of a name, write file and card; returns the card and the scores.

    Raises
    ------
    ConfigError
        If the data cannot be used, or the file is too large or answers differently.
    """
    from models.training.site_train import train_site  # noqa: PLC0415 torch only when training

    target = next(one for one in SITE_TARGETS if one.name == name)
    made = site_samples(target, data, tick=lambda part: tick("features", part))
    file = name + LATEST if all_data else name
    path = model_path(file, folder=folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = train_site(made, target, path=path, all_data=all_data, tick=tick)
    scores = None
    if not all_data:
        steps = iter(range(1, STEPS + 1))
        scores = evaluate_site(
            made, target, path=path, tick=lambda: tick("scores", next(steps, STEPS) / STEPS)
        )
    text = site_card(name, trained, scores)
    card_path(file, folder=folder).write_text(text, encoding="utf-8")
    return text, scores


def site_card(name: str, trained: Trained, scores: Evaluation | None) -> str:
    """Write the card of one model.

    Parameters
    ----------
    name : str
        Which one.
    trained : Trained
        How it came about.
    scores : Evaluation or None
        Its scores; None for a model that left nothing to be scored on.

    Returns
    -------
    str
        Markdown.
    """
    contract = trained.contract
    quantiles = ", ".join(f"{one:g}" for one in contract.quantiles)
    losses = ", ".join(f"{words} {loss:.4f}" for words, loss in trained.validation)
    networks = ", ".join(
        f"{one.kind} (width {one.width}, {one.epochs} epochs, seed {one.seed})"
        for one in SITE_RECIPES[name]
    )
    origin = (
        f"Quantiles ({quantiles}) of {WHAT[name]}, on the gateway, from the site's own last two "
        "weeks, its clock and its place; a day of its own past is enough. Everything is over the "
        f"site's own level; features version {contract.features_version} (`models.site`).",
        "## Made from",
        f"{trained.samples} samples. Sources: {SOURCES[name]}. No data are shipped. Each site is "
        "scaled to a mean load, or a peak of PV, of 1 kW. Of every five sites of a source one "
        "stops the training and calibrates the quantiles, and one is never seen; of all others "
        "the last fifth is not seen. Three samples of ten have their past cut short, so that new "
        "sites are learned too.",
        f"Networks: {networks}, each alone as a further output. Pinball loss on "
        f"the sites held back (normalised): {losses}. {_answered(trained)} Same seeds, same file: "
        "`make train`.",
        f"Size {trained.export.size_bytes:,} bytes; onnxruntime differs from torch by "
        f"{trained.export.difference:.1g} of the level at most.",
    )
    limits = "\n".join(f"- {line}" for line in LIMITS[name])
    parts = [f"# {contract.model_id}", *origin, "## Scores", *_scores(name, scores), "## Limits"]
    return "\n\n".join([*parts, limits]) + "\n"


def _answered(trained: Trained) -> str:
    """Which mix of the networks is the answer."""
    if len(trained.validation) <= len(KINDS):
        return "Their mean is the answer."
    return f"The mix that those sites like best is the answer: {trained.validation[-1][0]}."


def _scores(name: str, scores: Evaluation | None) -> tuple[str, ...]:
    """How good it is."""
    if scores is None:
        return (f"None of its own: it learned from everything. See `{name}.md`.",)
    return (
        "The last fifth of every site (left) and of the sites that were never learned from "
        f"(right), asked at any half hour. Compared with {', '.join(BASELINES)}: the same features "
        "and moments; night is left out of PV.",
        "\n".join(table(scores)),
        verdict(scores),
        f"One forecast takes {scores.run_ms:.2f} ms of one thread.",
    )
