"""The learned strategy on days whose best plan everybody sees."""

import pytest

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.bidding.learned import Learned, load_learned
from protocols.vocabulary.errors import ConfigError
from tests.bidding import forecast, question


def _policy() -> Learned:
    try:
        return load_learned()
    except ConfigError as error:
        pytest.skip(str(error))


def test_a_day_of_one_price_is_not_traded() -> None:
    """If it fails, storage is worn by buying and selling at the same price."""
    book = _policy().bids(question(spot=forecast(10.0)))
    sold = [b for b in book.bids if b.venue is Venue.SPOT and b.source is Source.STORAGE]
    assert not [b for b in sold if b.power_kw > 0]
