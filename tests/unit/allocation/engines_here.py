"""The engines that tests run with: NumPy's everywhere, the compiled one where it was built."""

import pytest

from cloud_coordinator.allocation.engines import kernel_absence
from cloud_coordinator.allocation.rows import Engine
from cloud_coordinator.allocation.rows_compiled import compiled_engine
from cloud_coordinator.allocation.rows_numpy import NumpyEngine

ENGINES = ("numpy", "compiled")


def engine_of(name: str) -> Engine:
    """Make an engine; the test is skipped where there is no kernel."""
    if name == "numpy":
        return NumpyEngine()
    absence = kernel_absence()
    if absence is not None:
        pytest.skip(absence)
    return compiled_engine()
