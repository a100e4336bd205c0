"""The model card: what a shipped model is, was made from, how good it is, what it is not."""

from collections.abc import Mapping, Sequence
from typing import Final

from models.day_ahead.targets import Target
from models.training.evaluate import BASELINES, Evaluation, Row
from models.training.recipes import RECIPES, Trained
from protocols.vocabulary.calendar import market_day

SOURCES: Final = {
    "balancing": "EPRX results (preliminary values); JEPX spot results",
    "demand": "電力使用状況 / でんき予報 pages of the ten transmission companies (demand); "
    "出典：気象庁ホームページ (weather, edited)",
    "pv": "電力使用状況 / でんき予報 pages of seven transmission companies (PV); "
    "出典：気象庁ホームページ (weather, edited)",
    "price": "JEPX spot results (prices, bid volumes); the demand and PV pages of the "
    "transmission companies; 出典：気象庁ホームページ (weather, edited)",
}
WHAT: Final = {
    "balancing": "mean accepted EPRX capacity price (JPY per kW and half hour, 48 half hours) of "
    "seven products in nine areas",
    "demand": "area demand (MW, 48 half hours, consumption positive) of ten areas",
    "pv": "area PV output (MW, 48 half hours) of seven areas",
    "price": "JEPX day-ahead spot price (JPY/kWh, 48 half hours) of nine areas",
}
LIMITS: Final = {
    "balancing": (
        "The mean accepted price, where anything was accepted; a bid above it may still be taken "
        "and one below it refused.",
        "Products that began in April 2024 were learned from a few months; the 2026 rules (48 "
        "blocks, daily auctions, lower cap) are outside what was seen.",
        "Known at 10:00 of the day before; a weekly auction is asked earlier, and then the "
        "fallback answers.",
    ),
    "demand": (
        "There is no weather forecast in the data: a change of weather after 10:00 of the day "
        "before is not foreseen.",
        "Tohoku, Chugoku and Shikoku were learned from hourly values, and areas west of Nagoya "
        "without a weather station of their own.",
        "A blackout or a curtailment order is not foreseen.",
    ),
    "pv": (
        "There is no weather forecast in the data: most of the error is tomorrow's clouds.",
        "Output that a company curtailed counts as little sun (Kyushu in spring).",
        "For a site, scale by its rated peak over the area's; a shaded or tilted roof differs.",
    ),
    "price": (
        "Fuel prices, outages and cables out of service are not in the data; only what "
        "yesterday's prices say of them.",
        "A scarcity spike (January 2021) is outside the band on its first day.",
        "Okinawa has no spot price.",
    ),
}


def table(evaluation: Evaluation) -> list[str]:
    """Lines of the scores as a Markdown table."""
    unit = evaluation.unit
    lines = [
        f"| model | MAE {unit} | pinball {unit} | 80 % coverage "
        f"| {evaluation.shown}: MAE | pinball | coverage |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [_line(row) for row in evaluation.rows]


def _line(row: Row) -> str:
    """One model."""
    numbers = [
        f"{one.mae:.4g} | {one.pinball:.4g} | {one.coverage:.3f}"
        for one in (row.everywhere, row.shown)
    ]
    return f"| {row.model} | {' | '.join(numbers)} |"


def verdict(evaluation: Evaluation) -> str:
    """One sentence: does the shipped model beat everything it must beat."""
    if not evaluation.beaten:
        return "The shipped model beats every one of them in MAE and pinball loss."
    return f"The shipped model does NOT beat {', '.join(evaluation.beaten)}."


def card(target: Target, trained: Trained, evaluation: Evaluation | None) -> str:
    """Write the card of one model.

    Parameters
    ----------
    target : Target
        What it forecasts.
    trained : Trained
        How it came about.
    evaluation : Evaluation or None
        Its scores; None for a model that left no days to be scored on.

    Returns
    -------
    str
        Markdown.
    """
    parts: Sequence[str] = (
        f"# {trained.contract.model_id}",
        *_origin(target.name, trained),
        "## Scores",
        *(_scores(evaluation) if evaluation else (_UNSCORED.format(name=target.name),)),
        "## Limits",
        "\n".join(f"- {line}" for line in LIMITS[target.name]),
    )
    return "\n\n".join(parts) + "\n"


_UNSCORED: Final = (
    "Made by the same recipe as `{name}.onnx`, from all days there are, so none is left to score "
    "it on; the scores of that one are the best guess (see its card: naive days, linear, "
    "lightgbm). It is used for days after its period only."
)


def _origin(name: str, trained: Trained) -> Sequence[str]:
    """Say what it is and what it was made from."""
    contract, recipes = trained.contract, RECIPES[name]
    networks = ", ".join(
        f"{one.kind} (width {one.width}, {one.epochs} epochs, seed {one.seed})" for one in recipes
    )
    held = (
        "each network leaves out one of the last two years, whose weeks in turn stop its training"
        if all(one.held_year for one in recipes)
        else "one week in five of the last two years is left out; these in turn stop the training"
    )
    losses = ", ".join(f"{words} {loss:.4f}" for words, loss in trained.validation)
    quantiles = ", ".join(f"{one:g}" for one in contract.quantiles)
    period = f"{market_day(contract.data_from)} to {market_day(contract.data_until)}"
    return (
        f"Day-ahead quantiles ({quantiles}) of {WHAT[name]}, from what is known at 10:00 JST of "
        "the day before. One file for all places; features version "
        f"{contract.features_version} (`models.day_ahead`).",
        "## Made from",
        f"{period} (exclusive), {trained.samples} place-days; {held} and calibrate the quantiles. "
        f"Sources: {SOURCES[name]}. No data are shipped.",
        f"Networks: {networks}; their mean is answered, each kind alone as a further output. "
        f"Pinball loss on the validation weeks (normalised): {losses}. Same seeds, same file: "
        "`make train`.",
        f"Size {trained.export.size_bytes:,} bytes; onnxruntime differs from torch by "
        f"{trained.export.difference:.1g} of the level at most.",
    )


def _scores(evaluation: Evaluation) -> Sequence[str]:
    """How good it is."""
    return (
        f"{evaluation.test_from} to {evaluation.test_until}, which no part of the model has seen. "
        f"Compared with {', '.join(BASELINES)}: the same features and days; slots in which "
        "nothing can come (night) are left out.",
        "\n".join(table(evaluation)),
        verdict(evaluation),
        f"One forecast takes {evaluation.run_ms:.2f} ms of one thread.",
    )


def as_plain(evaluation: Evaluation) -> Mapping[str, object]:
    """Return the evaluation for JSON."""
    return {
        "target": evaluation.target,
        "unit": evaluation.unit,
        "test_from": evaluation.test_from.isoformat(),
        "test_until": evaluation.test_until.isoformat(),
        "shipped_saw_these_days": evaluation.seen,
        "run_ms": round(evaluation.run_ms, 3),
        "not_beaten": list(evaluation.beaten),
        "models": [
            {
                "model": row.model,
                **{
                    place: {
                        "mae": score.mae,
                        "pinball": score.pinball,
                        "coverage_80": score.coverage,
                        "slots": score.slots,
                    }
                    for place, score in (("all", row.everywhere), (evaluation.shown, row.shown))
                },
            }
            for row in evaluation.rows
        ],
    }
