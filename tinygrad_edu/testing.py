"""What tests of an operation need: `check_rule`, and hypothesis strategies for its arguments.

    from tinygrad_edu.testing import check_rule

    check_rule(cube)
    check_rule(matmul, (2, 3), (3, 4))

This is the one module that needs hypothesis; no other module imports it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.gradient_check import gradcheck, recorded
from tinygrad_edu.graph import Node
from tinygrad_edu.slopes import GradcheckError
from tinygrad_edu.tensor import Tensor

Shape = tuple[int, ...]
Array = npt.NDArray[Any]

BROADCASTING: dict[int, list[tuple[Shape, ...]]] = {
    1: [((),), ((3,),), ((2, 3),)],
    2: [((), ()), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3))],
    3: [((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), ()), ((), (2, 1), (2, 3))],
}


def check_rule(
    function: Callable[..., Any],
    *shapes: Shape,
    domain: Callable[[Array], Array] = lambda x: x,
    order: int = 2,
) -> None:
    """Check a new operation: its derivatives, broadcasting, dtypes, and the gradient at ties.

    Derivatives and ties are checked in float64, and once more in float32.

    shapes  the shapes of its inputs. Without shapes the function must be elementwise: it is tried
            with shapes that broadcast, one for each argument without a default
    domain  maps standard normal numbers to where the function is defined and smooth
    order   the highest order of derivatives to compare

    Raises GradcheckError, which says what is wrong and for which shapes; TypeError if the function
    needs shapes.
    """
    name = getattr(function, "__name__", repr(function))
    for trial in [shapes] if shapes else BROADCASTING[count_inputs(function)]:
        rng = np.random.default_rng(0)
        arrays = [np.asarray(domain(rng.standard_normal(shape))) for shape in trial]
        call = f"{name} of shapes {', '.join(map(str, trial))}"
        check_forward(function, arrays, call)
        check_derivatives(function, arrays, call, order)
        check_ties(function, np.asarray(domain(np.array(0.7))), trial, call)

        coarse = [x.astype(np.float32) for x in arrays]
        call += " in float32"
        check_float32(function, coarse, call)
        check_derivatives(function, coarse, call, order)
        check_ties(function, np.asarray(domain(np.array(0.7)), np.float32), trial, call)


def count_inputs(function: Callable[..., Any]) -> int:
    """How many arguments a function takes that have no default."""
    if isinstance(function, np.ufunc):
        return function.nin
    try:
        signature = inspect.signature(function).parameters.values()
    except ValueError:
        raise TypeError(f"{function!r} has no signature; give the shapes of its inputs") from None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(p.default is p.empty and p.kind in kinds for p in signature)
    if count not in BROADCASTING:
        raise TypeError(f"check_rule needs the shapes of the {count} inputs of {function!r}")
    return count


def check_forward(function: Callable[..., Any], arrays: list[Array], call: str) -> None:
    """The result is a Tensor, with the same numbers as the function gives for plain arrays."""
    out = function(*[Tensor(x, requires_grad=True) for x in arrays])
    if not isinstance(out, Tensor):
        raise GradcheckError(
            f"{call} returns {type(out).__name__} instead of Tensor: "
            "is it marked with @primitive, and does it have a rule under @backward_of?"
        )
    if not out.requires_grad:
        raise GradcheckError(f"{call} leaves the graph: its result requires no gradient")
    plain = function(*arrays)
    if np.shape(plain) != out.shape or not np.array_equal(plain, out.data, equal_nan=True):
        raise GradcheckError(f"{call} computes something else on arrays than on Tensors")


def check_derivatives(
    function: Callable[..., Any], arrays: list[Array], call: str, order: int
) -> None:
    try:
        gradcheck(function, *arrays, order=order)
    except GradcheckError as error:
        raise GradcheckError(f"{call} has a wrong derivative: {error}") from None


def check_float32(function: Callable[..., Any], arrays: list[Array], call: str) -> None:
    """float32 in, float32 out, and the same numbers as in float64; its rules stay in float32."""
    xs = [Tensor(x, requires_grad=True) for x in arrays]
    made: list[Any] = []
    for node in recorded(lambda: made.append(function(*xs))):
        partials: Any = node.rule(np.ones_like(node.data), *node.seen, **node.options)  # type: ignore
        partials = partials if isinstance(partials, tuple) else (partials,)
        for i, (x, partial) in enumerate(zip(node.inputs, partials, strict=False)):
            partial = partial() if callable(partial) else partial
            tracked = isinstance(x, Node) and x.requires_grad
            if tracked and partial is not None and partial.dtype != x.data.dtype:
                raise GradcheckError(
                    f"{call}: the rule computes the partial of operand {i}, which is "
                    f"{x.data.dtype}, in {partial.dtype}; use Python's numbers and arrays made "
                    "with dtype=g.dtype"
                )
    out = made[0].data
    if out.dtype != np.float32:
        raise GradcheckError(f"{call} gives {out.dtype}: the result must be float32 too")
    expected = np.asarray(function(*[x.astype(np.float64) for x in arrays]))
    off = np.linalg.norm(out - expected)
    if not off <= 1e-3 * np.linalg.norm(expected):
        raise GradcheckError(f"{call} is far from what it gives in float64, by {off:.2g} in norm")


def check_ties(function: Callable[..., Any], tie: Array, shapes: Any, call: str) -> None:
    """Move equal elements together: they stay equal, so this is a function of one number.

    A rule that gives every one of the equal elements the whole gradient counts the tie twice.
    """

    def together(t: Any) -> Any:
        return function(*[t + np.zeros(shape, t.dtype) for shape in shapes])

    try:
        gradcheck(together, tie, order=1)
    except GradcheckError as error:
        raise GradcheckError(
            f"{call} is wrong where elements are equal: the shares of a tie must add up to one "
            f"gradient. {error}"
        ) from None


# Strategies


def shapes(max_dims: int = 3, max_side: int = 3) -> st.SearchStrategy[Shape]:
    """Shapes of 0 to `max_dims` axes."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, max_side=max_side)


def broadcastable_shapes(
    count: int = 2, max_dims: int = 3, max_side: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """`count` shapes that broadcast to one."""
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=max_dims, max_side=max_side
    )
    return drawn.map(lambda found: found.input_shapes)


def float_arrays(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    dtype: npt.DTypeLike = np.float64,
    apart: bool = False,
) -> st.SearchStrategy[Array]:
    """Finite numbers between -3 and 3; `apart`: 0.1 from each other and 0.05 from 0, so that
    differences meet no kink.
    """
    shape = shapes() if shape is None else shape
    if apart:
        tenths = hnp.arrays(int, shape, elements=st.integers(-30, 29), unique=True)
        return tenths.map(lambda n: ((n + 0.5) / 10).astype(dtype))
    numbers = st.integers(-3000, 3000).map(lambda n: n / 1000)
    return hnp.arrays(float, shape, elements=numbers).map(lambda x: x.astype(dtype))


def axes(shape: Shape) -> st.SearchStrategy[Any]:
    """What `axis=` may be for an array of this shape: None, or axes of either sign."""
    several = hnp.valid_tuple_axes(len(shape), min_size=1) if shape else st.nothing()
    one = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    return st.none() | one | several


def indices(shape: Shape) -> st.SearchStrategy[Any]:
    """What may stand in x[...]: integers, slices, None, arrays of integers, a mask."""
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    mask = hnp.arrays(bool, shape)
    return basic | mask | hnp.integer_array_indices(shape) if shape else basic
