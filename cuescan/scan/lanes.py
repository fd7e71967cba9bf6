"""Vectors of LANES float32 as a numba type, so that the kernels state their SIMD and need not hope for it.

LLVM splits a vector where the processor's registers are narrower: two for AVX2, four for SSE and NEON.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16  # the kernels fold lanes by fours: a power of 4
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
VECTOR, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_CONTRACT = ("contract",)  # a * b + c may become one fused operation; nothing else may be reordered

# Minimax fits with the constant term 1, highest power first: 2**f on |f| <= 1/2 (relative error 9e-8), and
# log(1 + e) / e on 0 <= e <= 1 (3e-8).
_EXP2 = (0.0013264726899, 0.0096715126606, 0.0555073374424, 0.2402224208492, 0.6931469775985, 1.0)
_LOG1P = (
    0.005364822784, -0.03006578611, 0.07920452555, -0.137538015, 0.1915365455, -0.2485716357, 0.3332132261,
    -0.4999964796, 1.0,
)  # fmt: skip
_ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer, held in the low bits


class Lanes(types.Type):
    """LANES float32 values."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def _define(function: Callable[..., Any], instruction: str) -> None:
    """Let numba apply a Python operator to two vectors."""

    @infer_global(function)
    class Typing(ConcreteTemplate):
        cases = [signature(lanes, lanes, lanes)]

    @lower_builtin(function, lanes, lanes)
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=_CONTRACT)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")


def _constant(value: float) -> ir.Constant:
    return ir.Constant(VECTOR, [value] * LANES)


def _polynomial(builder: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    value = _constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = builder.fadd(builder.fmul(value, x, flags=_CONTRACT), _constant(coefficient), flags=_CONTRACT)
    return value


def shuffle(builder: Any, one: Any, two: Any, picks: list[int]) -> Any:
    """Lanes of ``one`` (0 to LANES - 1) and ``two`` (from LANES on), in LLVM's terms."""
    return builder.shuffle_vector(one, two, ir.Constant(_INTS, picks))


def in_every_lane(builder: Any, value: Any) -> Any:
    """A scalar as a vector, in LLVM's terms."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    return shuffle(builder, builder.insert_element(nothing, value, ir.Constant(_INT, 0)), nothing, [0] * LANES)


@intrinsic  # type: ignore[misc]
def broadcast(typing_context: Any, value: Any) -> Any:
    """One float32 in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return in_every_lane(builder, arguments[0])

    return lanes(types.float32), generate


@intrinsic  # type: ignore[misc]
def exp2(typing_context: Any, x: Any) -> Any:
    """2**x to 2e-7 relative, with x cut to [-126, 127]; nan stays nan."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        for sign, limit in (("<", -126.0), (">", 127.0)):
            x = builder.select(builder.fcmp_ordered(sign, x, _constant(limit)), _constant(limit), x)
        rounded = builder.fadd(x, _constant(_ROUND))
        rest = builder.fsub(x, builder.fsub(rounded, _constant(_ROUND)))
        power = _polynomial(builder, rest, _EXP2)
        exponent = builder.shl(builder.bitcast(rounded, _INTS), ir.Constant(_INTS, [23] * LANES))
        return builder.bitcast(builder.add(exponent, builder.bitcast(power, _INTS)), VECTOR)

    return lanes(lanes), generate


@intrinsic  # type: ignore[misc]
def log1p(typing_context: Any, x: Any) -> Any:
    """log(1 + x) for x in [0, 1] to 2e-7 relative; nan stays nan."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fmul(arguments[0], _polynomial(builder, arguments[0], _LOG1P))

    return lanes(lanes), generate


@intrinsic  # type: ignore[misc]
def maximum(typing_context: Any, one: Any, two: Any) -> Any:
    """The larger one in each lane; ``one`` where either is nan."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one, two = arguments
        return builder.select(builder.fcmp_ordered("<", one, two), two, one)

    return lanes(lanes, lanes), generate


@intrinsic  # type: ignore[misc]
def fold(typing_context: Any, one: Any, two: Any) -> Any:
    """Sums of neighbouring lanes: those of ``one``, then those of ``two``.

    Folding 16 vectors in pairs, then the results, and so on, leaves the sum of each vector's lanes, in their order.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one, two = arguments
        even = shuffle(builder, one, two, list(range(0, 2 * LANES, 2)))
        return builder.fadd(even, shuffle(builder, one, two, list(range(1, 2 * LANES, 2))))

    return lanes(lanes, lanes), generate
