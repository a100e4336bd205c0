"""The shipped day-ahead models by the quantity they forecast, newest first."""

from pathlib import Path

from models.day_ahead.history import Series
from models.day_ahead.run import DayAheadModel
from models.day_ahead.targets import TARGETS
from models.shipped_files import LATEST, model_path


def shipped_models(*, folder: Path | None = None) -> dict[Series, tuple[DayAheadModel, ...]]:
    """Return the models of every quantity; each is opened when it is first asked.

    The first learned from everything there was, the second left its last fifth to be scored on:
    whoever asks for a day takes the first that has not seen it.

    Parameters
    ----------
    folder : Path or None
        Where the files lie; the package's own if None.
    """
    return {
        one.series: tuple(
            DayAheadModel(path)
            for path in (
                model_path(one.name + LATEST, folder=folder),
                model_path(one.name, folder=folder),
            )
            if path.is_file()
        )
        for one in TARGETS
    }
