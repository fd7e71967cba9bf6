"""Spread a kernel that releases the GIL over torch's own threads, or over others where torch's are out of reach.

Torch's CPU operations run in an OpenMP team whose threads keep spinning for a while after each of them. Threads of our
own would have to share the cores with these, so the work is given to that team where its entry point can be found:
GNU's ``GOMP_parallel``, which LLVM's and Intel's runtimes on Linux have too.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

SHARES = 4  # pieces per thread, so that a slow core does not hold up the others
_PROCESS = os.getpid()
_TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@lru_cache(maxsize=1)
def _team() -> Any:
    """What runs a function in each thread of torch's team, or None."""
    if not torch.backends.openmp.is_available():
        return None
    try:
        return ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library of all that is loaded
        return None


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The pool of this process: after a fork the parent's threads are gone, hence the argument."""
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="cuescan-scan")


def run_in_threads(work: Callable[[int, int], None], items: int, most: int | None = None) -> None:
    """Call ``work(start, stop)`` over pieces of ``range(items)`` in torch's number of threads, ``most`` at most.

    Pieces are handed out as threads become free: what an item computes must not depend on its piece. One thread means
    the calling one alone.
    """
    threads = min(torch.get_num_threads(), items, most or items)
    if threads <= 1:
        work(0, items)
        return
    size = max(1, items // (SHARES * threads))
    pieces = iter([(start, min(start + size, items)) for start in range(0, items, size)])
    failures: list[BaseException] = []

    def take(_: Any = None) -> None:
        try:
            for start, stop in pieces:
                work(start, stop)
        except BaseException as error:
            failures.append(error)

    team = _team() if os.getpid() == _PROCESS else None  # a forked child has no team
    if team is not None:
        team(_TASK(take), None, threads, 0)
    else:
        helpers = [_pool(os.getpid()).submit(take) for _ in range(threads - 1)]
        take()
        for helper in helpers:
            helper.result()
    if failures:
        raise failures[0]
