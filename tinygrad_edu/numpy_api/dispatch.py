"""What happens in `np.f(t)`, if t is a Tensor? Here the call finds its rule.

A function is composed of others (`composes`), has its own rule (`backward_of`), or has no
derivative. Any other function raises an error that says what to do.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu.graph import RULES, Node, apply, plain
from tinygrad_edu.messages import converted, name_of, no_rule, noted
from tinygrad_edu.numpy_api.arguments import as_of_composition, as_of_rule, outputs, refuse
from tinygrad_edu.operands import is_lazy

Function = Callable[..., Any]

COMPOSITIONS: dict[Function, Function] = {}

# Small changes of x do not change these results: they have no derivative and are plain arrays.
NON_DIFFERENTIABLE = {
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.all, np.any),
    *(np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.signbit),
    *(np.iscomplex, np.isreal, np.iscomplexobj, np.isrealobj),
    *(np.isclose, np.allclose, np.array_equal, np.array_equiv, np.isin),
    *(np.shares_memory, np.may_share_memory),
    *(np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around),
    *(np.fix, np.floor_divide),
    np.spacing,
    *(np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition),
    *(np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted),
    *(np.digitize, np.ravel_multi_index, np.unravel_index, np.diag_indices_from),
    *(np.tril_indices_from, np.triu_indices_from, np.linalg.matrix_rank, np.imag),
    *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type),
    *(np.zeros_like, np.ones_like, np.empty_like),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift),
    *(np.bitwise_count, np.gcd, np.lcm),
    *(np.array_repr, np.array_str, np.array2string),
}

# Of these, answers that need no number of the array: they are known of one that is computed later.
OF_THE_FORM = {
    *(np.shape, np.ndim, np.result_type, np.can_cast, np.common_type, np.min_scalar_type),
    *(np.iscomplexobj, np.isrealobj, np.shares_memory, np.may_share_memory),
}


def composes(*functions: Function) -> Callable[[Function], Function]:
    """Let the function below answer for each of NumPy's `functions` on Tensors."""

    def enter(composition: Function) -> Function:
        for function in functions:
            COMPOSITIONS[function] = composition
        return composition

    return enter


def answer(function: Function, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """function(*args, **options), a call of NumPy with a Tensor among its arguments."""
    try:
        composition = COMPOSITIONS.get(function)
        if composition is not None:
            return composition(*args, **as_of_composition(function, composition, options))
        rule = RULES.get(function)
        if rule is not None:
            inputs, options = as_of_rule(function, rule, args, options)
            return apply(function, *inputs, **options)
        if function in NON_DIFFERENTIABLE:
            return plain_answer(function, args, options)
        raise no_rule(function)
    except Exception as error:
        raise noted(error, function, args)  # noqa: B904 - it is the same error


def plain_answer(function: Function, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """The result of a function that has no derivative: numbers outside of the graph."""
    if any(isinstance(x, Node) for x in outputs(function, args, options)):
        refuse(function, ["out"])
    arrays = [*map(plain, args)]
    out = function(*arrays, **{name: plain(x) for name, x in options.items()})
    if any(map(is_lazy, arrays)) and function not in OF_THE_FORM:
        for part in out if isinstance(out, tuple) else (out,):
            if not is_lazy(part):
                raise converted(function, arrays, part)
    return out


def method_of(ufunc: np.ufunc, name: str) -> Function:
    """A method of a ufunc, such as np.add.reduce; TypeError if it does not work on Tensors."""
    method: Function = getattr(ufunc, name)
    if method not in COMPOSITIONS and method not in RULES:
        raise TypeError(f"{name_of(method)} does not take a Tensor; use t.data")
    return method
