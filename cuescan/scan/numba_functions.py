"""Elementary functions in float32 that LLVM can vectorise (a call to libm would keep a loop scalar)."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

_f = np.float32
ZERO, ONE, TWO = _f(0), _f(1), _f(2)
LOG2E, LN2_HIGH, LN2_LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.1219444005469057e-4)
ROUND = _f(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer, held in the low bits
EXP_LOW, EXP_HIGH, INFINITY = _f(-87.3), _f(88.37), _f(np.inf)
# Chebyshev fits: (e**r - 1 - r) / r**2 on |r| <= 0.35, and artanh(s) / s in s**2 on 0 <= s <= 1/3.
E0, E1, E2, E3, E4 = _f(0.5000000014), _f(0.1666657336), _f(0.0416664568), _f(0.0083637765), _f(0.0013934545)
L0, L1, L2, L3, L4 = _f(1.0000000039), _f(0.3333315797), _f(0.2001242686), _f(0.1398070942), _f(0.1408732863)

# Fused multiply-add only, as reassociation would cancel ROUND. No check for division by zero: it would not vectorise.
OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}


@intrinsic  # type: ignore[misc]
def two_to(typing_context: Any, rounded: Any) -> Any:
    """2**n in float32 from ``rounded`` = n + ROUND, n in [-126, 128] (128 gives infinity)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        exponent = builder.shl(builder.bitcast(arguments[0], integer), ir.Constant(integer, 23))
        return builder.bitcast(builder.add(exponent, ir.Constant(integer, 0x3F800000)), ir.FloatType())

    return types.float32(types.float32), generate


@njit(**OPTIONS)
def exp(x):
    """e**x to 2e-7 relative: 0 below -87.3, infinity above 88.37, nan for nan."""
    rounded = x * LOG2E + ROUND
    n = rounded - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    tail = E0 + r * (E1 + r * (E2 + r * (E3 + r * E4)))
    value = (ONE + (r + r * r * tail)) * two_to(rounded)
    value = ZERO if x < EXP_LOW else value
    return INFINITY if x > EXP_HIGH else value


@njit(**OPTIONS)
def softplus(x):
    """log(1 + e**x) = max(x, 0) + 2 artanh(e / (2 + e)) with e = e**-|x|."""
    e = exp(-abs(x))
    s = e / (TWO + e)
    v = s * s
    log1p = TWO * s * (L0 + v * (L1 + v * (L2 + v * (L3 + v * L4))))
    return log1p + (ZERO if x < ZERO else x)


@njit(**OPTIONS)
def sigmoid(x):
    """1 / (1 + e**-x), without overflow on either side."""
    e = exp(-abs(x))
    return (e if x < ZERO else ONE) / (ONE + e)
