"""Softplus and its slope on vectors of LANES float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from cuescan.scan.lanes import broadcast, exp2, log1p, maximum

LOG2E = np.float32(1.4426950408889634)
ZERO = np.float32(0)
OPTIONS: dict[str, Any] = {"error_model": "numpy"}
INLINE: dict[str, Any] = {**OPTIONS, "forceinline": True}


@njit(**OPTIONS)
def softplus(x):
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|), to 4e-7 relative where e**-|x| is no smaller than 2**-126."""
    zero = broadcast(ZERO)
    minus_size = zero - maximum(x, zero - x)
    return maximum(x, zero) + log1p(exp2(minus_size * broadcast(LOG2E)))


@njit(**OPTIONS)
def softplus_slope(x, value):
    """The derivative of softplus, 1 / (1 + e**-x) = e**(x - softplus(x)), from x and ``value`` = softplus(x)."""
    return exp2((x - value) * broadcast(LOG2E))
