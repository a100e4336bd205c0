"""The telemetry journals of a fleet: the last minutes of rows of every gateway. Pure.

All gateways journal one row each second, so a row's sequence is the same for all and a ring of
blocks, one block a second, is everybody's journal. Called by
:mod:`firmware_sim.fleet.gateways`.
"""

from typing import Final

import numpy as np

from firmware_sim.fleet.contracts import Contracts, Identity
from firmware_sim.fleet.plant import Characters, Plant
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Float32Block, Telemetry
from protocols.vocabulary.arrays import FloatArray, IntArray

LAYOUT_VERSION: Final = 1
RING_BYTES: Final = 400_000_000
RING_S_MIN: Final = 30
_SITE: Final = len(SITE_COLUMNS)
_PER_RESOURCE: Final = len(RESOURCE_COLUMNS)


class Rows:
    """The journals.

    Parameters
    ----------
    gateways, resources : int
        n gateways with m resources each.
    seconds : int
        Length of the run; the ring holds no more, and no more than fits ``RING_BYTES``.

    Attributes
    ----------
    kept : int
        Rows of each journal that the ring holds; older ones are trimmed.
    """

    def __init__(self, gateways: int, resources: int, *, seconds: int) -> None:
        columns = _SITE + _PER_RESOURCE * resources
        most = RING_BYTES // (4 * gateways * columns)
        self.kept = max(RING_S_MIN, min(seconds, most))
        self._values = np.zeros((self.kept, gateways, columns), dtype=np.float32)
        self._signals = np.zeros((self.kept, gateways), dtype=np.int64)
        self._times = np.zeros(self.kept, dtype=np.int64)

    def take(
        self,
        rows: slice,
        *,
        sequence: int,
        time_s: int,
        site: tuple[Characters, Plant, Contracts],
        share_w: FloatArray,
    ) -> tuple[Float32Block, IntArray]:
        """Write some gateways' row of a second.

        Parameters
        ----------
        rows : slice
            Which gateways.
        sequence, time_s : int
            Of the row.
        site : tuple of Characters, Plant, Contracts
            What the gateways measure and hold.
        share_w : FloatArray
            Shape (n,), W.

        Returns
        -------
        tuple of Float32Block and IntArray
            The values, shape (k, 6 + 4 m), and the signals in force, shape (k,).
        """
        characters, plant, contracts = site
        place = sequence % self.kept
        self._times[place] = time_s
        values = self._values[place, rows]
        power_w = plant.power_w[rows]
        values[:, 0] = plant.load_w[rows] + power_w.sum(axis=1)
        values[:, 1] = characters.baseline_w[rows]
        values[:, 2] = share_w[rows]
        values[:, 3] = contracts.flexible_w()[rows]
        values[:, 4:6] = 0.0
        block = values[:, _SITE:].reshape(*power_w.shape, _PER_RESOURCE)
        block[:, :, 0] = power_w
        block[:, :, 1] = share_w[rows, None] * characters.part[rows]
        block[:, :, 2] = plant.energy_part[rows]
        block[:, :, 3] = 0.0
        signals = self._signals[place, rows]
        signals[:] = contracts.signal_id[rows]
        return values, signals

    def message(self, gateway: int, identity: Identity, *, first: int, last: int) -> Telemetry:
        """Rows of one gateway for its backfill; they must still be in the ring."""
        places = np.arange(first, last + 1) % self.kept
        return Telemetry(
            journal_id=identity.journal_id,
            first_sequence=first,
            layout_version=LAYOUT_VERSION,
            times_s=self._times[places],
            signal_ids=self._signals[places, gateway],
            values=self._values[places, gateway],
        )
