"""How does compiled code reach BLAS? `gemm` calls NumPy's own OpenBLAS, with alpha and beta.

numba's own `np.dot` calls SciPy's BLAS: it needs SciPy, is slower for most shapes, and cannot add
to an existing array. If NumPy has another BLAS than OpenBLAS, `gemm` calls SciPy's, and without
SciPy NumPy itself. This file needs numba.
"""

import ctypes
import sys
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, objmode, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import get_cython_function_address, intrinsic

LETTERS = {types.float32: "s", types.float64: "d"}
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = I8.as_pointer()


def has_numpy_symbols() -> bool:
    """Make NumPy's ?gemm known to the compiler, if it is an OpenBLAS with 64-bit integers."""
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__ or "")
        for letter in "sd":
            names = [f"scipy_cblas_{letter}gemm64_", f"cblas_{letter}gemm64_"]
            name = next(name for name in names if hasattr(library, name))
            address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            llvm.add_symbol(f"tinygrad_edu_cblas_{letter}gemm", address)
    except (AttributeError, KeyError, OSError, StopIteration):
        return False
    return True


def has_scipy_symbols() -> bool:
    """Make SciPy's ?gemm known to the compiler, if SciPy is there."""
    try:
        for letter in "sd":
            address = get_cython_function_address("scipy.linalg.cython_blas", f"{letter}gemm")
            llvm.add_symbol(f"tinygrad_edu_gemm_{letter}", address)
    except (ImportError, ValueError):
        return False
    return True


class Matrix:
    """An array as BLAS sees it: its data, its shape, and how it lies in memory."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        size = I64(8 if kind.dtype is types.float64 else 4)
        self.data = builder.bitcast(array.data, POINTER)
        self.rows, self.columns = cgutils.unpack_tuple(builder, array.shape)
        down, right = cgutils.unpack_tuple(builder, array.strides)
        by_rows = builder.icmp_signed("==", right, size)
        by_columns = builder.icmp_signed("==", down, size)
        single = builder.icmp_signed("<=", self.columns, I64(1))  # its stride means nothing
        # Whether the numbers of a row lie together, and how far it is to the next row or column
        self.by_rows = builder.or_(by_rows, builder.and_(single, builder.not_(by_columns)))
        step = builder.sdiv(builder.select(self.by_rows, down, right), size)
        least = builder.select(self.by_rows, self.columns, self.rows)
        wide = builder.icmp_signed(">=", step, least)
        self.step = builder.select(wide, step, least)


def call_numpy(builder: Any, letter: str, real: Any, a: Any, b: Any, out: Any, scales: Any) -> None:
    """cblas_?gemm: rows first, 64-bit integers by value."""
    kinds = [*[I32] * 3, *[I64] * 3, real, POINTER, I64, POINTER, I64, real, POINTER, I64]
    kind = ir.FunctionType(ir.VoidType(), kinds)
    name = f"tinygrad_edu_cblas_{letter}gemm"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    orders = [builder.select(x.by_rows, I32(PLAIN), I32(TRANSPOSED)) for x in (a, b)]
    sizes = [out.rows, out.columns, a.columns]
    alpha, beta = scales
    rest = [alpha, a.data, a.step, b.data, b.step, beta, out.data, out.columns]
    builder.call(function, [I32(ROW_MAJOR), *orders, *sizes, *rest])


def call_scipy(builder: Any, letter: str, real: Any, a: Any, b: Any, out: Any, scales: Any) -> None:
    """?gemm of Fortran, columns first: out.T = b.T @ a.T; 32-bit integers, all by reference."""
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * 13)
    name = f"tinygrad_edu_gemm_{letter}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)

    def reference(x: Any) -> Any:
        place = cgutils.alloca_once(builder, x.type)
        builder.store(x, place)
        return builder.bitcast(place, POINTER)

    def count(x: Any) -> Any:
        return reference(builder.trunc(x, I32))

    orders = [reference(builder.select(x.by_rows, I8(ord("n")), I8(ord("t")))) for x in (b, a)]
    sizes = [count(out.columns), count(out.rows), count(a.columns)]
    alpha, beta = map(reference, scales)
    rest = [alpha, b.data, count(b.step), a.data, count(a.step), beta, out.data, count(out.columns)]
    builder.call(function, [*orders, *sizes, *rest])


def gemm_by(call: Any) -> Any:
    """The function gemm; `call` is call_numpy or call_scipy."""

    @intrinsic
    def gemm(_: Any, a: Any, b: Any, out: Any, alpha: Any, beta: Any) -> Any:
        """out := alpha a @ b + beta out.

        a, b  one of their two strides is the size of an element
        out   C-contiguous
        Shapes are not checked.
        """
        dtype = out.dtype
        if not out.mutable:
            raise TypingError("the product would be written to an array that is read-only")

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arrays = zip(signature.args[:3], args[:3], strict=True)
            matrices = [Matrix(context, builder, kind, x) for kind, x in arrays]
            call(builder, LETTERS[dtype], context.get_value_type(dtype), *matrices, args[3:])
            return context.get_dummy_value()

        return types.void(a, b, out, dtype, dtype), code

    return gemm


def multiply(a: Any, b: Any, out: Any, alpha: Any, beta: Any) -> None:
    """out := alpha a @ b + beta out, by NumPy."""
    product = np.dot(a, b)
    product *= alpha
    if beta:
        product += beta * out
    out[...] = product


@njit
def gemm_by_numpy(a: Any, b: Any, out: Any, alpha: Any, beta: Any) -> None:
    with objmode():
        multiply(a, b, out, alpha, beta)


if has_numpy_symbols():
    gemm = gemm_by(call_numpy)
elif has_scipy_symbols():
    gemm = gemm_by(call_scipy)
else:
    gemm = gemm_by_numpy


@intrinsic
def add(_: Any, total: Any, x: Any) -> Any:
    """total + x. The compiler may reorder such additions, and add several numbers at once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args, flags=["reassoc"])

    return total(total, total), code
