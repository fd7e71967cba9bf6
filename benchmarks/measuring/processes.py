"""Fresh processes, and the memory of this one."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def in_fresh_process(function: Any, *arguments: Any) -> Any:
    """Call a function of a module in a new interpreter, so that nothing before it counts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak() -> int | None:
    """The most memory that was resident in this process so far, in bytes; None where the system does not tell.

    On Linux not by getrusage, whose maximum begins with that of the parent process.
    """
    if _STATUS.is_file():
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak() -> None:
    """Give back what was freed and let the peak be what is in use, as far as the system allows."""
    gc.collect()
    if not _STATUS.is_file():
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:  # the peak so far then hides as much of the next one
        return


def extra(call: Callable[[], object], device: str) -> int | None:
    """Bytes that a call takes at most beyond what is there before it; None where the system does not tell.

    On a CPU by resident memory: make the same call on smaller tensors first, in a fresh process, so that libraries are
    loaded and kernels compiled.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    reset_peak()
    before = peak()
    call()
    after = peak()
    return None if before is None or after is None else after - before
