"""How the work of a CPU scan is divided between threads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cuescan.scan.lanes import LANES

STEPS_PER_THREAD = 1_000_000  # of states: about 0.2 ms, which starting another thread can cost


@dataclass(frozen=True)
class Plan:
    """How work is divided: by the shapes alone, so that every sum has one order whatever the number of threads.

    Attributes:
        chunks: LANES-wide chunks of a group's channels.
        run: Chunks of one item.
        splits: Parts of the routes that run beside each other, each with an output of its own.
        items: Work items.
        threads: Most threads that are worth their start.
    """

    chunks: int
    run: int
    splits: int
    items: int
    threads: int

    @classmethod
    def of(cls, u: Tensor, B: Tensor) -> Plan:
        """The division for u (batch, dim, length) and B (batch, R, groups, state, length)."""
        (batch, dim, length), (_, routes, groups, state_size, _) = u.shape, B.shape
        chunks = -(-(dim // groups) // LANES)
        splits = routes if batch * groups * chunks < 32 else 1
        run = max(1, batch * splits * groups * chunks // 64)
        threads = 1 + batch * dim * length * routes * state_size // STEPS_PER_THREAD
        return cls(chunks, run, splits, batch * splits * groups * -(-chunks // run), threads)
