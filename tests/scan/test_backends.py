"""Choice of the backend, what is imported when, and what happens without numba."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch
from reference import make_arguments

from cuescan.errors import UserError
from cuescan.scan import available_backends, backend, backends, selective_scan


def run_python(code: str, **environment: str) -> str:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SCAN = """
import torch
from cuescan.scan import available_backends, selective_scan
arguments = [torch.ones(s) for s in ((1, 2, 5), (1, 2, 5), (2, 3), (1, 3, 5), (1, 3, 5))]
arguments[2] *= -1
scan = lambda: selective_scan(*arguments).sum()
"""


def test_import_needs_neither_numba_nor_triton():
    code = "import sys, cuescan.scan; print([m for m in ('numba', 'llvmlite', 'triton') if m in sys.modules])"
    assert run_python(code) == "[]"


def test_without_numba_it_works_and_says_so_once():
    code = f"""
import sys, warnings
sys.modules["numba"] = None
{SCAN}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    total = scan() + scan()
    ours = [str(w.message) for w in caught if "scan" in str(w.message)]
print(len(ours), available_backends(), f"{{float(total):.4f}}")
print(ours[0])
"""
    first, message = run_python(code, CUESCAN_SCAN="").splitlines()
    expected = run_python(SCAN + 'print(f"{float(scan() * 2):.4f}")', CUESCAN_SCAN="")
    assert first == f"1 ('naive',) {expected}"
    assert message == (
        "the selective scan's numba backend does not import, so scans on cpu are slow and take much memory; "
        "to speed them up: pip install numba"
    )


@pytest.mark.parametrize("places", ["", "import numba.core.caching as c; c.CacheImpl._locator_classes = []"])
def test_compiled_code_is_kept_where_numba_can_write(tmp_path, places):
    pytest.importorskip("numba")
    run_python(places + SCAN + "scan()", NUMBA_CACHE_DIR=str(tmp_path), CUESCAN_SCAN="numba")
    assert bool(list(tmp_path.rglob("*.nbi"))) == (not places)


def test_choice_by_device_and_by_force(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("CUESCAN_SCAN", raising=False)
    naive, numba = backends.BACKENDS["naive"].load(), backends.BACKENDS["numba"].load()
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert available_backends() == ("numba", "naive")
    assert backends.choose(cpu) is numba
    assert backends.choose(cuda) is naive
    with backend("naive"):
        assert backends.choose(cpu) is naive
        with backend("numba"):
            assert backends.choose(cpu) is numba
        assert backends.choose(cpu) is naive
    monkeypatch.setenv("CUESCAN_SCAN", "naive")
    assert backends.choose(cpu) is naive
    with backend("numba"):
        assert backends.choose(cpu) is numba
        with pytest.raises(UserError, match="^backend='numba' runs on cpu only, got cuda$"):
            backends.choose(cuda)


def test_unknown_backends_are_named(monkeypatch):
    with pytest.raises(UserError, match="^backend must be one of numba, naive, got 'nmba'$"), backend("nmba"):
        pass
    monkeypatch.setenv("CUESCAN_SCAN", "fast")
    with pytest.raises(UserError, match="^CUESCAN_SCAN must be one of numba, naive, got 'fast'$"):
        selective_scan(**make_arguments())


def test_force_holds_for_its_thread_only():
    pytest.importorskip("numba")
    seen = []
    with backend("naive"):
        thread = threading.Thread(target=lambda: seen.append(backends.choose(torch.device("cpu"))))
        thread.start()
        thread.join()
    assert seen == [backends.BACKENDS["numba"].load()]


def test_concurrent_scans_agree():
    pytest.importorskip("numba")
    arguments = make_arguments(dim=32, length=200)
    expected, results = selective_scan(**arguments, delta_softplus=True), []

    def scan() -> None:
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
