"""Which engine does the rows: the compiled kernel, or NumPy where none was built.

Called by :mod:`cloud_coordinator.allocation.allocate`; programs ask :func:`kernel_absence` once
at their start and say it.
"""

from functools import cache

from cloud_coordinator.allocation.rows import Engine
from cloud_coordinator.allocation.rows_compiled import KernelMissingError, compiled_engine
from cloud_coordinator.allocation.rows_numpy import NumpyEngine


@cache
def default_engine() -> Engine:
    """Return the compiled engine, or NumPy's where there is none."""
    try:
        return compiled_engine()
    except KernelMissingError:
        return NumpyEngine()


def kernel_absence() -> str | None:
    """Why there is no compiled kernel; None if there is one."""
    try:
        compiled_engine()
    except KernelMissingError as error:
        return str(error)
    return None
