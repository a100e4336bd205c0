"""The shipped day-ahead models by the quantity they forecast."""

from models.day_ahead.history import Series
from models.day_ahead.run import DayAheadModel
from models.day_ahead.targets import TARGETS
from models.shipped_files import model_path


def shipped_models() -> dict[Series, DayAheadModel]:
    """Return every shipped model; each is opened when it is first asked."""
    return {one.series: DayAheadModel(model_path(one.name)) for one in TARGETS}
