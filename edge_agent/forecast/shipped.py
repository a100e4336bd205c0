"""Wires the shipped site models for one site; called when the agent starts."""

from collections.abc import Callable
from datetime import date, time

import structlog

from edge_agent.config.site import SiteConfig
from edge_agent.forecast.half_hours import STATE_KEY, HalfHours
from edge_agent.forecast.port import Forecaster
from edge_agent.forecast.site_models import SiteModelForecaster, SiteModels
from models.shipped_files import newest_path
from models.site.load import load_features
from models.site.past import SitePlace
from models.site.pv import pv_features
from models.site.run import LOAD_MODEL, PV_MODEL, SiteModel
from protocols.vocabulary.calendar import jst_moment
from protocols.vocabulary.errors import JournalError

log = structlog.get_logger()


def shipped_forecaster(
    config: SiteConfig, half_hours: HalfHours, fallback: Forecaster
) -> SiteModelForecaster:
    """Make the forecaster of a site; a model file is opened with the first question to it.

    Parameters
    ----------
    config : SiteConfig
        Location and rated PV.
    half_hours : HalfHours
        The site's own past.
    fallback : Forecaster
        Answers when a model cannot.
    """
    epoch = jst_moment(date(1970, 1, 1), time())
    place = SitePlace(
        latitude=config.location.latitude,
        longitude=config.location.longitude,
        clock_s=-int(epoch.timestamp()),
        peak_w=config.pv_peak_w,
    )
    models = SiteModels(
        load=SiteModel(newest_path(LOAD_MODEL), load_features),
        pv=SiteModel(newest_path(PV_MODEL), pv_features),
        place=place,
    )
    return SiteModelForecaster(models, half_hours, fallback)


def load_half_hours(state: Callable[[str], bytes | None]) -> HalfHours:
    """Read the half hours of an earlier life; from none if they cannot be read.

    Parameters
    ----------
    state : callable
        Value of a state key of the journal, None if there is none.
    """
    try:
        return HalfHours(state(STATE_KEY))
    except JournalError as error:
        log.warning("forecast.past_lost", cause=str(error))
        return HalfHours()
