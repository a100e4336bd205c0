"""Build the allocation's kernel with the package; everything else stands in ``pyproject.toml``.

The kernel is optional: without a compiler the package installs all the same, and NumPy does
the kernel's work (the coordinator says so once when it starts). It is plain C without
``Python.h``, so no headers of Python are needed; ctypes loads it.
"""

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
QUIET = ["-Wno-psabi", "-g0"]
FOLDER = "cloud_coordinator/allocation/native"


class BuildKernel(build_ext):
    """Builds a plain library where other packages build a module."""

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Return no symbol: there is no ``PyInit`` to export."""
        return list(ext.export_symbols)


setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=[
        Extension(
            "cloud_coordinator.allocation._kernel",
            sources=[f"{FOLDER}/kernel.c"],
            depends=[f"{FOLDER}/vectors.h", f"{FOLDER}/price.inc", f"{FOLDER}/products.inc"],
            extra_compile_args=[*FLAGS, *QUIET],
            optional=True,
        )
    ],
)
