"""The kernel under AddressSanitizer: no number makes it read or write where it may not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "cloud_coordinator" / "allocation" / "native" / "kernel.c"
ROUNDS = 80
SEED = 20260731
FLAGS = ["-O0", "-g1", "-std=gnu11", "-fPIC", "-shared", "-Wno-psabi"]
CHECKS = ["-fsanitize=address,undefined", "-fno-sanitize=float-divide-by-zero"]


def _sanitizer(compiler: str) -> str:
    asked = [compiler, "-print-file-name=libasan.so"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
    place = found.stdout.strip()
    if not Path(place).is_absolute():
        pytest.skip("gcc has no AddressSanitizer here")
    return place


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kernel_stays_in_its_arrays(tmp_path: Path) -> None:
    """If it fails, one odd number from a site can crash the coordinator or read its memory."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed: the kernel cannot be built with AddressSanitizer")
    preload = _sanitizer(compiler)
    library = tmp_path / "kernel.so"
    build = [compiler, *FLAGS, *CHECKS, str(SOURCE), "-o", str(library)]
    subprocess.run(build, timeout=150, check=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=66",
        "UBSAN_OPTIONS": "halt_on_error=1:exitcode=67:print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
        "PYTHONMALLOC": "malloc",
    }
    script = Path(__file__).with_name("fuzz_kernel.py")
    done = subprocess.run(
        [sys.executable, str(script), str(library), str(ROUNDS), str(SEED)],
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("done\n")
