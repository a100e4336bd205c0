"""The strategies by name; all answer the same port."""

from collections.abc import Callable, Mapping
from typing import Final

from cloud_coordinator.services.bidding.exact import Exact
from cloud_coordinator.services.bidding.learned import load_learned
from cloud_coordinator.services.bidding.port import BidStrategy
from cloud_coordinator.services.bidding.searching import ParetoSearch, SwarmSearch

STRATEGIES: Final[Mapping[str, Callable[[], BidStrategy]]] = {
    "exact": Exact,
    "nsga3": ParetoSearch,
    "pso": SwarmSearch,
    "rl": load_learned,
}
"""What makes each; a strategy whose parts are missing says so when it is made."""
