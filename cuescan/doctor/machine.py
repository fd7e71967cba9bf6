"""The processor, its threads and the graphics processors."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "nnUNet_n_proc_DA", "CUESCAN_WORKERS")


def _processor() -> str:
    """What the system calls its processor, and the vector instructions that torch uses on it."""
    name = platform.processor() or platform.machine()
    table = Path("/proc/cpuinfo")
    if table.is_file():
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores(cores: int, quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use, of ``cores``: a container's share of time can allow fewer."""
    try:
        share, period = (int(part) for part in quota.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return cores
    return min(cores, math.ceil(share / period))


def nvidia_driver() -> str | None:
    """Version of the NVIDIA driver, asked of its own library, so that a torch without CUDA sees it too."""
    text = ctypes.create_string_buffer(80)
    for library in ("libnvidia-ml.so.1", "nvml.dll"):
        try:
            nvml = ctypes.CDLL(library)
        except OSError:
            continue
        if nvml.nvmlInit_v2() == 0 and nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(len(text))) == 0:
            return text.value.decode("ascii", errors="replace")
    return None


def _gpu(index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "device": f"cuda:{index}",
        "name": properties.name,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "compute_capability": f"{properties.major}.{properties.minor}",
    }


def machine() -> dict[str, Any]:
    """What the machine has, and how many threads are set to use it."""
    return {
        "processor": _processor(),
        "cores": usable_cores(_cores()),
        "torch_threads": torch.get_num_threads(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "gpus": [_gpu(index) for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)],
        "nvidia_driver": nvidia_driver(),
    }


def advice(found: dict[str, Any]) -> list[str]:
    """What to change, out of what :func:`machine` found."""
    cores, threads, variables = found["cores"], found["torch_threads"], found["variables"]
    given = []
    if threads > cores:
        given.append(f"torch uses {threads} threads on {cores} cores, which is slower: export OMP_NUM_THREADS={cores}")
    for name in ("nnUNet_n_proc_DA", "CUESCAN_WORKERS"):
        text = variables[name]
        if text is not None and not text.isdecimal():
            given.append(f"{name} is no number: set it to the number of loading processes")
        elif text is not None and int(text) > cores:
            given.append(
                f"{name} asks for {text} loading processes on {cores} cores: export {name}={max(1, cores // 2)}"
            )
    if sys.platform == "linux" and (variables["OMP_WAIT_POLICY"] or "").upper() != "PASSIVE":
        given.append("where other processes use these cores too, waiting threads hold them up: "
                     "export OMP_WAIT_POLICY=PASSIVE")  # fmt: skip
    if found["nvidia_driver"] and not torch.cuda.is_available():
        given.append(f"there is an NVIDIA driver ({found['nvidia_driver']}), but this torch does not reach a GPU: "
                     "install the torch build for its CUDA version")  # fmt: skip
    return given
