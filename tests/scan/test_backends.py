"""Choice of the backend: by device, by force, and past whatever does not load."""

from __future__ import annotations

import sys
import threading
import types
import warnings

import pytest
import torch
from reference import make_arguments

from cuescan.errors import UserError
from cuescan.scan import available_backends, backend, backends, selective_scan
from cuescan.scan.naive import selective_scan_naive

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.fixture
def fresh(monkeypatch):
    """Nothing loaded, forced or warned of yet; ``fresh(name, load)`` says what a backend's loading does."""
    for name in ("CUESCAN_SCAN", "TRITON_INTERPRET"):
        monkeypatch.delenv(name, raising=False)
    for table, empty in (("_functions", {}), ("_failures", {}), ("_warned", set())):
        monkeypatch.setattr(backends, table, empty)

    def replace(name, load):
        found = backends.BACKENDS[name]
        monkeypatch.setitem(backends.BACKENDS, name, backends.Backend(found.device, load, found.hint))

    return replace


def failing(error):
    def load():
        raise error

    return load


def scan_of(name):
    """A function that stands for a backend."""
    return types.SimpleNamespace(name=name)


def test_order_on_each_kind_of_device(fresh):
    scans = {name: scan_of(name) for name in ("mamba_ssm", "triton", "numba")}
    for name, scan in scans.items():
        fresh(name, lambda scan=scan: scan)
    assert backends.choose(CUDA) is scans["mamba_ssm"]
    assert backends.choose(torch.device("cuda:1")) is scans["mamba_ssm"]
    assert backends.choose(CPU) is scans["numba"]
    assert backends.successor("mamba_ssm", CUDA) is scans["triton"]
    assert backends.order("cuda") == ("mamba_ssm", "triton", "naive")
    assert available_backends()[-2:] == ("numba", "naive")


@pytest.mark.parametrize("error", [
    ModuleNotFoundError("No module named 'mamba_ssm'"), ImportError("x.so: undefined symbol: _ZN3c10"),
    OSError("libcudart.so.11.0:\n  cannot open shared object file"), RuntimeError("CUDA driver error"),
    NameError("name 'bare_metal_version' is not defined"),
])  # fmt: skip
def test_what_fails_to_load_in_whatever_way_is_passed_over(fresh, error):
    triton, tries = scan_of("triton"), []

    def load():
        tries.append(1)
        raise error

    fresh("mamba_ssm", load)
    fresh("triton", lambda: triton)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backends.choose(CUDA) is triton
        assert backends.choose(CUDA) is triton
    assert backends.why_not("mamba_ssm") == f"{type(error).__name__}: {' '.join(str(error).split())}"
    assert backends.why_not("triton") == ""
    assert len(tries) == 1
    assert "mamba_ssm" not in available_backends()


def test_without_any_fast_one_a_gpu_gets_naive_and_a_hint(fresh):
    fresh("mamba_ssm", failing(ImportError("a")))
    fresh("triton", failing(RuntimeError("Failed to find C compiler.")))
    with pytest.warns(RuntimeWarning) as caught:
        assert backends.choose(CUDA) is backends.choose(CUDA) is selective_scan_naive
    (warning,) = caught
    assert str(warning.message) == (
        "selective scans on cuda are slow and take much memory, because triton does not work here (RuntimeError: "
        f"Failed to find C compiler.); to speed them up: {backends.BACKENDS['triton'].hint}"
    )


def test_other_devices_get_naive_and_a_hint(fresh):
    with pytest.warns(RuntimeWarning) as caught:
        assert backends.choose(MPS) is backends.choose(MPS) is selective_scan_naive
    assert [str(warning.message) for warning in caught] == [
        "selective scans on mps are slow and take much memory, because no fast backend runs there; move the network to "
        "the CPU, where numba is faster"
    ]


def test_a_triton_that_cannot_build_its_launcher_is_passed_over(fresh, monkeypatch):
    class Driver:
        @property
        def active(self):
            raise RuntimeError("Failed to find C compiler.")

    kernels, triton = types.ModuleType("cuescan.scan.triton_gpu"), types.ModuleType("triton")
    kernels.selective_scan_triton, triton.runtime = scan_of("triton"), types.SimpleNamespace(driver=Driver())
    monkeypatch.setitem(sys.modules, "cuescan.scan.triton_gpu", kernels)
    monkeypatch.setitem(sys.modules, "triton", triton)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert backends.why_not("triton") == "RuntimeError: Failed to find C compiler."


def test_force(fresh, monkeypatch):
    numba = scan_of("numba")
    fresh("numba", lambda: numba)
    with backend("naive"):
        assert backends.choose(CPU) is selective_scan_naive
        with backend("numba"):
            assert backends.choose(CPU) is numba
        assert backends.choose(CPU) is backends.choose(MPS) is selective_scan_naive
    assert backends.choose(CPU) is numba
    monkeypatch.setenv("CUESCAN_SCAN", "naive")
    assert backends.choose(CPU) is selective_scan_naive
    with backend("numba"):
        assert backends.choose(CPU) is numba
        with pytest.raises(UserError, match="^backend='numba' runs on cpu only, got cuda$"):
            backends.choose(CUDA)


def test_triton_takes_a_cpus_tensors_under_its_interpreter_alone(fresh, monkeypatch):
    triton, numba = scan_of("triton"), scan_of("numba")
    fresh("triton", lambda: triton)
    fresh("numba", lambda: numba)
    remedy = r"\(TRITON_INTERPRET=1, set before Python starts, tries it on a CPU\)"
    message = f"^backend='triton' runs on cuda only, got cpu {remedy}$"
    with backend("triton"), pytest.raises(UserError, match=message):
        backends.choose(CPU)
    assert ("triton" in available_backends()) == torch.cuda.is_available()
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with backend("triton"):
        assert backends.choose(CPU) is triton
    assert backends.choose(CPU) is numba
    assert "triton" in available_backends()


def test_unknown_and_broken_backends_are_named(fresh, monkeypatch):
    names = "mamba_ssm, triton, numba, naive"
    with pytest.raises(UserError, match=f"^backend must be one of {names}, got 'nmba'$"), backend("nmba"):
        pass
    monkeypatch.setenv("CUESCAN_SCAN", "fast")
    with pytest.raises(UserError, match=f"^CUESCAN_SCAN must be one of {names}, got 'fast'$"):
        selective_scan(**make_arguments())
    fresh("numba", failing(ImportError("blocked")))
    monkeypatch.setenv("CUESCAN_SCAN", "numba")
    message = r"^CUESCAN_SCAN='numba' does not work here \(ImportError: blocked\); try: pip install numba$"
    with pytest.raises(UserError, match=message):
        selective_scan(**make_arguments())


def test_force_holds_for_its_thread_only(fresh):
    numba, seen = scan_of("numba"), []
    fresh("numba", lambda: numba)
    with backend("naive"):
        thread = threading.Thread(target=lambda: seen.append(backends.choose(CPU)))
        thread.start()
        thread.join()
    assert seen == [numba]


def test_compiled_code_follows_the_forced_backend(fresh, monkeypatch):
    def doubled(*arguments):
        y, last_state = selective_scan_naive(*arguments)
        return 2 * y, last_state

    fresh("numba", lambda: doubled)
    arguments = {**make_arguments(length=3), "z": None}
    run = torch.compile(lambda: selective_scan(**arguments), backend="aot_eager", fullgraph=True)
    graphs = torch._dynamo.utils.counters["stats"]
    torch._dynamo.reset()
    graphs.clear()
    with backend("naive"):
        y = selective_scan(**arguments)
    backends._functions.clear()
    backends._failures.clear()
    assert torch.equal(run(), 2 * y)
    assert torch.equal(run(), 2 * y)
    assert graphs["unique_graphs"] == 1  # loading the backend while compiling is no reason to compile again
    with backend("naive"):
        assert torch.equal(run(), y)
    assert torch.equal(run(), 2 * y)
    with backend("numba"):
        assert torch.equal(run(), 2 * y)
