"""The scan and its process: what it imports, keeps on disk, warns of, and does in threads and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch
from reference import make_arguments

from cuescan.scan import backend, selective_scan


def run_python(code: str, **environment: str) -> str:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SCAN = """
import torch
from cuescan.scan import available_backends, selective_scan
arguments = [torch.ones(s) for s in ((1, 2, 5), (1, 2, 5), (2, 3), (1, 3, 5), (1, 3, 5))]
arguments[2] *= -1
scan = lambda: selective_scan(*arguments).sum()
"""


def test_import_needs_no_compiler():
    names = ("numba", "llvmlite", "triton", "mamba_ssm", "torch._dynamo")
    assert run_python(f"import sys, cuescan.scan; print([m for m in {names} if m in sys.modules])") == "[]"


def test_without_numba_it_works_and_says_so_once():
    code = f"""
import sys, warnings
sys.modules["numba"] = None
{SCAN}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    total = scan() + scan()
    ours = [w for w in caught if "scan" in str(w.message)]
print(len(ours), "numba" in available_backends(), f"{{float(total):.4f}}")
print(ours[0].message, ours[0].filename)
"""
    first, message = run_python(code, CUESCAN_SCAN="").splitlines()
    expected = run_python(SCAN + 'print(f"{float(scan() * 2):.4f}")', CUESCAN_SCAN="naive")
    assert first == f"1 False {expected}"
    assert message == (
        "selective scans on cpu are slow and take much memory, because numba does not work here (ModuleNotFoundError: "
        "import of numba halted; None in sys.modules); to speed them up: pip install numba <string>"
    )


@pytest.mark.parametrize("places", ["", "import numba.core.caching as c; c.CacheImpl._locator_classes = []"])
def test_compiled_code_is_kept_where_numba_can_write(tmp_path, places):
    pytest.importorskip("numba")
    run_python(places + SCAN + "scan()", NUMBA_CACHE_DIR=str(tmp_path), CUESCAN_SCAN="numba")
    assert bool(list(tmp_path.rglob("*.nbi"))) == (not places)


def test_concurrent_scans_agree():
    pytest.importorskip("numba")
    arguments = make_arguments(dim=32, length=200)
    with backend("numba"):
        expected, results = selective_scan(**arguments, delta_softplus=True), []

    def scan() -> None:
        with backend("numba"):
            results.append(selective_scan(**arguments, delta_softplus=True))

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(torch.equal(expected, result) for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_works_in_a_forked_child():
    pytest.importorskip("numba")
    code = f"""
import os
{SCAN}
torch.set_num_threads(2)
arguments = [a.repeat(4, *([1] * (a.dim() - 1))) if a.dim() == 3 else a for a in arguments]
before = selective_scan(*arguments)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(before, selective_scan(*arguments)) else 1)
print(os.waitpid(child, 0)[1])
"""
    assert run_python(code, CUESCAN_SCAN="numba") == "0"
