"""Move vectors of LANES float32 between memory and registers: strided, packed, spread from one value, transposed."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from cuescan.scan.lanes import LANES, VECTOR, in_every_lane, lanes, shuffle


def _pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any, column: Any) -> Any:
    """Where LANES values begin at [row, column] of a 2-D float32 array of any strides."""
    view = context.make_array(kind)(context, builder, array)
    row_stride, column_stride = (builder.extract_value(view.strides, axis) for axis in range(2))
    offset = builder.add(builder.mul(row, row_stride), builder.mul(column, column_stride))
    data = builder.bitcast(view.data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(data, [offset]), VECTOR.as_pointer())


@intrinsic  # type: ignore[misc]
def load(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """The LANES values that lie one after another in memory from [row, column] on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=4)

    return lanes(array, types.intp, types.intp), generate


@intrinsic  # type: ignore[misc]
def store(typing_context: Any, value: Any, array: Any, row: Any, column: Any) -> Any:
    """Write what :func:`load` reads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, *place = arguments
        builder.store(value, _pointer(context, builder, signature.args[1], *place), align=4)
        return context.get_dummy_value()

    return types.void(lanes, array, types.intp, types.intp), generate


@intrinsic  # type: ignore[misc]
def prefetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the memory at [row, column] of a 2-D float32 array of any strides before it is needed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        place = builder.bitcast(_pointer(context, builder, signature.args[0], *arguments), byte)
        integer = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, to_every_cache, data = (ir.Constant(integer, value) for value in (0, 3, 1))
        builder.call(function, [place, to_read, to_every_cache, data])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), generate


def _row(context: Any, builder: Any, kind: Any, tile: Any, row: Any) -> Any:
    data = context.make_array(kind)(context, builder, tile).data
    offset = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [offset]), VECTOR.as_pointer())


@intrinsic  # type: ignore[misc]
def get(typing_context: Any, tile: Any, row: Any) -> Any:
    """A row of a packed array of LANES columns."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_row(context, builder, signature.args[0], *arguments), align=4)

    return lanes(tile, types.intp), generate


@intrinsic  # type: ignore[misc]
def put(typing_context: Any, value: Any, tile: Any, row: Any) -> Any:
    """Write what :func:`get` reads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, *place = arguments
        builder.store(value, _row(context, builder, signature.args[1], *place), align=4)
        return context.get_dummy_value()

    return types.void(lanes, tile, types.intp), generate


@intrinsic  # type: ignore[misc]
def spread(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """The element [row, column] of a packed 2-D float32 array in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, row, column = arguments
        view = context.make_array(signature.args[0])(context, builder, array)
        offset = builder.add(builder.mul(row, builder.extract_value(view.shape, 1)), column)
        return in_every_lane(builder, builder.load(builder.gep(view.data, [offset])))

    return lanes(array, types.intp, types.intp), generate


@intrinsic  # type: ignore[misc]
def transpose(typing_context: Any, source: Any, row: Any, column: Any, target: Any, to_row: Any, to_column: Any) -> Any:
    """Write the LANES x LANES square of ``source`` at [row, column], transposed, to ``target`` at its place.

    Along the last axis both must lie one after another in memory.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, row, column, target, to_row, to_column = arguments
        rows = [builder.add(row, ir.Constant(row.type, i)) for i in range(LANES)]
        places = [_pointer(context, builder, signature.args[0], source, each, column) for each in rows]
        square = [builder.load(place, align=4) for place in places]
        size = LANES // 2
        while size:  # swap the off-diagonal blocks of this size
            for i in range(LANES):
                if not i & size:
                    one, two = square[i], square[i + size]
                    upper = [j if not j & size else LANES + j - size for j in range(LANES)]
                    lower = [j + size if not j & size else LANES + j for j in range(LANES)]
                    square[i] = shuffle(builder, one, two, upper)
                    square[i + size] = shuffle(builder, one, two, lower)
            size //= 2
        for i, values in enumerate(square):
            at = builder.add(to_row, ir.Constant(to_row.type, i))
            place = _pointer(context, builder, signature.args[3], target, at, to_column)
            builder.store(values, place, align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, target, index, index), generate
