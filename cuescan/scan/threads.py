"""Spread a kernel that releases the GIL over as many threads as torch uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

SHARES = 4  # pieces per thread, so that a slow core does not hold up the others


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The pool of this process: after a fork the parent's threads are gone, hence the argument."""
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="cuescan-scan")


def run_in_threads(work: Callable[[int, int], None], items: int) -> None:
    """Call ``work(start, stop)`` over pieces of ``range(items)`` in ``torch.get_num_threads()`` threads.

    The calling thread takes its share, so one thread means no pool. Pieces are handed out as threads become free: what
    an item computes must not depend on its piece.
    """
    threads = min(torch.get_num_threads(), items)
    if threads <= 1:
        work(0, items)
        return
    size = max(1, items // (SHARES * threads))
    pieces = iter([(start, min(start + size, items)) for start in range(0, items, size)])

    def take() -> None:
        for start, stop in pieces:
            work(start, stop)

    helpers = [_pool(os.getpid()).submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        for helper in helpers:
            helper.result()
