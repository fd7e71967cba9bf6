"""Compile the numba kernels once per machine: compiled code is kept on disk, where some place for it is writable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import boolean, float32, int32, intp, njit, types
from numba.core.caching import FunctionCache

from cuescan.scan.numba_backward import backward
from cuescan.scan.numba_functions import OPTIONS
from cuescan.scan.numba_kernels import forward


def _any(dimensions: int) -> Any:
    return types.Array(float32, dimensions, "A")


def _packed(dimensions: int) -> Any:
    return types.Array(float32, dimensions, "C")


# start, stop, run, splits, u, delta, A, B, C, D, bias, use_softplus, order, in_order
_FIRST = (
    *(intp, intp, intp, intp, _any(3), _any(4), _packed(3), _any(5), _any(5), _packed(3), _packed(3)),
    *(boolean, types.Array(int32, 2, "C"), boolean),
)
_SIGNATURES = {
    forward: (*_FIRST, _any(4), _packed(4), _packed(6)),
    backward: (
        *(*_FIRST, _packed(6), _any(3), _packed(4), _any(4), _any(4)),
        *(_packed(4), _any(4), _any(4), _packed(4), _packed(4)),
    ),
}


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's cache, which would notice changes of the kernel's own file alone, keyed by every file it is made of."""

    def _index_key(self, *arguments: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*arguments), _sources())


@lru_cache(maxsize=1)
def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=2)
def compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """A kernel as machine code that releases the GIL.

    Args:
        kernel: ``forward`` or ``backward``.
    """
    dispatcher = njit(nogil=True, **OPTIONS)(kernel)
    try:
        dispatcher._cache = _Cache(kernel)
    except RuntimeError as error:  # no folder is writable
        if "cannot cache" not in str(error):
            raise
    dispatcher.compile(_SIGNATURES[kernel])
    dispatcher.disable_compile()  # or every other memory layout would be compiled anew
    return dispatcher
