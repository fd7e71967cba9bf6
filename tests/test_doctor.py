"""``cuescan doctor`` as users run it: healthy, forced, without numba, with a broken mamba_ssm or wrong results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from cuescan.cli import main
from cuescan.doctor import folders, machine, scans
from cuescan.scan import backends
from cuescan.share import share_path

CPU_ONLY = pytest.mark.skipif(torch.cuda.is_available(), reason="of a machine without a GPU")


def doctor(*arguments: str, **environment: object) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("nnUNet", "CUESCAN", "TRITON"))}
    variables = {**ours, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(
        [sys.executable, "-m", "cuescan.cli", "doctor", *arguments], env=variables, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The report of a place where numba is blocked, mamba_ssm's extension is of another torch, and folders are set."""
    place = tmp_path_factory.mktemp("patient_smith")
    (place / "numba.py").write_text("raise ImportError('numba is blocked')")
    (place / "mamba_ssm" / "ops").mkdir(parents=True)
    (place / "mamba_ssm" / "__init__.py").write_text("from mamba_ssm.ops import selective_scan_interface")
    (place / "mamba_ssm" / "ops" / "__init__.py").touch()
    (place / "mamba_ssm" / "ops" / "selective_scan_interface.py").write_text("import selective_scan_cuda")
    (place / "selective_scan_cuda.py").write_text("raise ImportError('undefined symbol: _ZN3c104cuda9SetDeviceEi')")
    done = doctor("--json", PYTHONPATH=place, nnUNet_raw=place, nnUNet_preprocessed=place / "none")
    assert done.returncode == 0, done.stderr
    return done


def test_a_healthy_machine():
    pytest.importorskip("numba")
    done = doctor(nnUNet_extTrainer=share_path("trainers"))
    assert done.returncode == 0, done.stderr
    assert "slow" not in done.stderr
    lines = done.stdout.splitlines()
    assert "  cpu gets numba: the first choice on cpu" in lines
    assert any(line.split()[:2] == ["torch", torch.__version__.split("+")[0]] for line in lines)
    assert any(line.startswith("    numba               agrees, largest difference ") for line in lines)
    assert any(line.startswith("    naive               agrees, largest difference ") for line in lines)
    assert "  nnUNet_extTrainer     holds cuescan's trainers" in lines
    assert lines[-1] == "Nothing is broken."


def test_a_forced_backend():
    report = json.loads(doctor("--json", CUESCAN_SCAN="naive").stdout)
    (cpu, *_) = report["scan"]["devices"]
    assert (cpu["backend"], cpu["why"]) == ("naive", "CUESCAN_SCAN=naive asks for it")
    assert cpu["faster"] == "numba, without CUESCAN_SCAN"
    assert report["problems"] == []
    assert {test["backend"]: test["agrees"] for test in cpu["tests"]} == {"numba": True, "naive": True}


def test_a_broken_mamba_ssm_costs_nothing_but_itself(broken):
    report = json.loads(broken.stdout)
    assert report["scan"]["backends"]["mamba_ssm"]["error"] == (
        "ImportError: undefined symbol: _ZN3c104cuda9SetDeviceEi"
    )
    assert report["problems"] == []


@CPU_ONLY
def test_without_numba_it_says_what_to_do(broken):
    report = json.loads(broken.stdout)
    (cpu,) = report["scan"]["devices"]
    assert cpu["backend"] == "naive"
    assert cpu["why"] == "numba does not work here (ImportError: numba is blocked)"
    assert cpu["faster"] == "pip install numba"
    assert [test["backend"] for test in cpu["tests"]] == ["naive"]
    assert report["scan"]["numba_cache"] is None
    assert "scans on cpu are slow and take much memory; faster: pip install numba" in report["advice"]


def test_what_it_says_of_folders(broken):
    report = json.loads(broken.stdout)
    assert report["folders"] == {
        "nnUNet_raw": "writable",
        "nnUNet_preprocessed": "set, but there is no such folder",
        "nnUNet_results": "not set",
        "nnUNet_extTrainer": "not set",
    }
    assert "nnU-Net's commands need folders: export nnUNet_results=..." in report["advice"]
    assert (
        'nnU-Net does not find cuescan\'s trainers: export nnUNet_extTrainer="$(cuescan path trainers)"'
        in (report["advice"])
    )


def test_it_does_not_tell_where_data_is(broken):
    assert "patient_smith" not in broken.stdout + broken.stderr


@pytest.fixture
def quick(monkeypatch):
    """Run in this process, without timing, and with naive in numba's place."""
    for name in ("CUESCAN_SCAN", "TRITON_INTERPRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cuescan.doctor.self_test.seconds", lambda *_: 0.001)
    monkeypatch.setattr(folders, "numba_cache", lambda: "~/.cache (writable)")
    for table in ("_functions", "_failures"):
        monkeypatch.setattr(backends, table, {})
    monkeypatch.setitem(backends.BACKENDS, "numba", backends.Backend("cpu", lambda: backends.selective_scan_naive))
    return monkeypatch


@pytest.mark.parametrize(
    ("forced", "message"),
    [("fast", "CUESCAN_SCAN must be one of mamba_ssm, triton, numba, naive, got 'fast'"),
     ("mamba_ssm", "CUESCAN_SCAN='mamba_ssm' does not work here (OSError: libcudart.so.11.0: no such file)")],
)  # fmt: skip
def test_a_forced_backend_that_cannot_run_is_broken(quick, capsys, forced, message):
    def fail():
        raise OSError("libcudart.so.11.0:\n no such file")

    quick.setitem(backends.BACKENDS, "mamba_ssm", backends.Backend("cuda", fail, "build it"))
    quick.setenv("CUESCAN_SCAN", forced)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert f"Broken\n  - {message}" in out
    assert f"  cpu gets no backend: {message}" in out
    assert out.endswith("\nSomething is broken.\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda y: y * 1.001, "the numba backend computes wrong results on cpu: force another, such as CUESCAN_SCAN="),
     (lambda y: y * float("nan"), "the numba backend fails on cpu: ArithmeticError: results are not finite"),
     (lambda y: y + y.fly(), "the numba backend fails on cpu: AttributeError: 'Tensor' object has no attribute 'fly'")],
)  # fmt: skip
def test_wrong_results_are_broken(quick, capsys, change, message):
    def wrong(*arguments):
        y, last_state = backends.selective_scan_naive(*arguments)
        return change(y), last_state

    quick.setitem(backends.BACKENDS, "numba", backends.Backend("cpu", lambda: wrong))
    assert main(["doctor"]) == 1
    assert f"Broken\n  - {message}" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith(message)


def test_why_a_device_gets_its_backend(quick):
    def fail():
        raise ImportError("no")

    cuda = torch.device("cuda")
    quick.setitem(backends.BACKENDS, "mamba_ssm", backends.Backend("cuda", fail, "build it"))
    quick.setitem(backends.BACKENDS, "triton", backends.Backend("cuda", lambda: None, "install it"))
    assert scans._choice(cuda) == (
        "triton", "mamba_ssm does not work here (ImportError: no)",
        "perhaps mamba_ssm, which is chosen where it works: build it",
    )  # fmt: skip
    quick.setattr(backends, "_failures", {"triton": "ImportError: neither"})
    assert scans._choice(cuda) == (
        "naive", "mamba_ssm does not work here (ImportError: no); triton does not work here (ImportError: neither)",
        "install it",
    )  # fmt: skip
    assert scans._choice(torch.device("mps")) == (
        "naive", "no fast backend runs there", "to move the network to the CPU, where numba runs"
    )  # fmt: skip


def test_without_required_packages_it_still_works(quick, capsys):
    quick.setattr("cuescan.doctor.software.REQUIRED", ("torch", "torchvision", "no-such-package"))
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["software"]["packages"]["no-such-package"] is None
    assert "required packages are missing: pip install no-such-package" in report["advice"]


def test_a_torchvision_of_another_torch_is_broken(quick, capsys):
    quick.setattr("cuescan.doctor.software._import_error", lambda module: "RuntimeError: no torchvision::nms")
    assert main(["doctor"]) == 1
    assert "  - torchvision does not fit this torch (RuntimeError: no torchvision::nms): install both together" in (
        capsys.readouterr().out
    )


def test_a_torch_that_does_not_import_is_broken(monkeypatch, capsys):
    def fail(name):
        raise OSError("libcudnn.so.9: cannot open")

    monkeypatch.setattr("importlib.import_module", lambda name: fail(name) if name == "torch" else sys.modules[name])
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == (
        "torch does not import (libcudnn.so.9: cannot open): install torch and torchvision together\n"
    )


def test_gpus_and_drivers(monkeypatch):
    class Properties:
        name, total_memory, major, minor = "H200", 140 * 2**30, 9, 0

    class Library:
        def nvmlInit_v2(self):  # noqa: N802
            return 0

        def nvmlSystemGetDriverVersion(self, text, size):  # noqa: N802
            text.value = b"570.1"
            return 0

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library())
    found = machine.machine()
    assert found["nvidia_driver"] == "570.1"
    if not found["gpus"]:
        assert any(line.startswith("there is an NVIDIA driver (570.1), but") for line in machine.advice(found))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    assert machine._gpu(1) == {
        "device": "cuda:1", "name": "H200", "memory_gib": 140.0, "compute_capability": "9.0",
    }  # fmt: skip


def test_a_containers_share_of_the_cores_counts(tmp_path):
    for text, most in (("max 100000", 8), ("250000 100000", 3), ("5000 100000", 1), ("1600000 100000", 8), ("?", 8)):
        (tmp_path / "cpu.max").write_text(text + "\n")
        assert machine.usable_cores(8, tmp_path / "cpu.max") == most
    assert machine.usable_cores(8, tmp_path / "none") == 8


@pytest.mark.parametrize(
    ("threads", "variable", "value", "advice"),
    [(4, "nnUNet_n_proc_DA", "many", "nnUNet_n_proc_DA is no number"),
     (4, "nnUNet_n_proc_DA", "12", "nnUNet_n_proc_DA asks for 12 loading processes on 4 cores: export nnUNet_n_"),
     (64, "OMP_WAIT_POLICY", "PASSIVE", "torch uses 64 threads on 4 cores, which is slower: export OMP_NUM_THREADS=4"),
     (4, "CUESCAN_WORKERS", "4", None)],
)  # fmt: skip
def test_threads_and_loading_processes(threads, variable, value, advice):
    variables = {**dict.fromkeys(machine.VARIABLES), "OMP_WAIT_POLICY": "passive", variable: value}
    given = machine.advice({"cores": 4, "torch_threads": threads, "variables": variables, "nvidia_driver": None})
    assert len(given) == bool(advice)
    assert all(line.startswith(advice) for line in given)
