"""Is the gradient of a batch the sum of the gradients of its parts?"""

import pickle
from typing import Any

import numpy as np

from tinygrad_edu.graph import behind
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.normalization import BatchNorm
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.train.machines import Here
from tinygrad_edu.train.parts import (
    Copy,
    NotInPartsError,
    Step,
    copy_of,
    pickled_model,
    predict,
)


def check_model(model: Module) -> None:
    """Raise NotInPartsError for BatchNorm, and for parameters that are not Tensors of NumPy."""
    for path, module in model.named_modules():
        if isinstance(module, BatchNorm) and module.training:
            raise NotInPartsError(
                f"{path or 'the model'} is a {type(module).__name__}, which computes means over "
                "the rows of a batch. In parts, each part would have its own mean. Use "
                "nn.LayerNorm or nn.GroupNorm, or train without cluster= and parts="
            )
    for path, p in model.named_parameters():
        if not isinstance(p, Tensor) or type(p.data) is not np.ndarray:
            raise NotInPartsError(
                f"{path} is a {type(p).__name__} of a {type(p.data).__name__}: in parts, all "
                "parameters must be Tensors of NumPy arrays"
            )


def check_parts(model: Module, step: Step) -> None:
    """Raise NotInPartsError if the parts and the whole batch give different results.

    This process computes the whole batch. It compares the predictions, and the gradients of a sum
    of the predictions with random weights. (The gradient of the loss would not do: it is 0 at a
    minimum.) Dropout is off; if the model still draws random numbers, the whole model is in eval
    mode.
    """
    check_repeatable(model, step)
    pickled = without_chance(step) if any(step.drawn) else step.pickled
    parts = Step(step.machine, pickled, step.x, step.parts, step.seeds)
    one = Step(Here(), pickled, step.x, 1, step.seeds)
    check_leaves(model, one.copy)
    out = one.prediction
    compared: list[Any] = [("the prediction", parts.prediction, out, 0.0)]
    if np.all(np.isfinite(out)):
        g = np.random.default_rng(0).standard_normal(out.shape).astype(out.dtype)
        sums, expected = parts.gradients(g), one.gradients(g)
        largest = max((norm(x) for x in expected if x is not None), default=0.0)
        names = [f"the gradient of {path}" for path, _ in model.named_parameters()]
        compared += [(*three, largest) for three in zip(names, sums, expected, strict=True)]
    for what, x, y, largest in compared:
        if not agree(x, y, largest):
            raise NotInPartsError(
                f"{what} of {len(step.x)} rows differs in {step.parts} parts. Either the rows "
                "depend on each other in this model, or it draws from a generator that is not an "
                "attribute of a layer, or the workers have another version of the code. Train it "
                "without cluster= and parts="
            )


def check_repeatable(model: Module, step: Step) -> None:
    """Raise NotInPartsError if a copy gives two different predictions for the same rows.

    Such a model changes something that `remembered` does not list. In parts the change would be
    lost, because each step starts with new copies.
    """
    copy = copy_of(step.pickled)
    check_copy(model, copy.model)
    first, second = (predict(copy, step.x, step.seeds, 0)[0] for _ in range(2))
    if not agree(second, first, 0.0):
        raise NotInPartsError(
            f"{type(model).__name__} gives another prediction when it computes the same rows "
            "again. Either it changes something, such as a counter in a list, or it draws from a "
            "generator that is not an attribute of a layer. Train it without cluster= and parts="
        )


def agree(x: Any, y: Any, largest: float) -> bool:
    """Whether x and y differ only by rounding, measured against the norm of y and `largest`."""
    if x is None or y is None:
        return x is y
    finite = np.isfinite(y)
    if x.dtype != y.dtype or not np.array_equal(np.isfinite(x), finite):
        return False
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    eps = float(np.finfo(y.dtype).eps)
    return norm(x[finite] - y[finite]) <= eps**0.5 * norm(y) + eps**0.75 * largest


def norm(x: Any) -> float:
    """The Euclidean norm of the finite elements, in float64 so that it does not overflow."""
    return float(np.linalg.norm(x[np.isfinite(x)].astype(float)))


def without_chance(step: Step) -> bytes:
    """The pickled model of a step without randomness: Dropout or the whole model in eval mode."""
    for kind in (Dropout, Module):
        model = pickle.loads(step.pickled)
        for module in model.modules():
            module.training &= not isinstance(module, kind)
        pickled = pickled_model(model)
        if not any(Step(Here(), pickled, step.x, 1, step.seeds).drawn):
            return pickled
    raise NotInPartsError(
        f"{type(model).__name__} draws random numbers also in eval mode, so fit cannot check that "
        "its rows are independent: draw only if self.training, or train without cluster= and parts="
    )


def check_copy(model: Module, copy: Module) -> None:
    """Raise NotInPartsError if a pickled copy does not have the same parameters, in the same order.

    This happens if a class defines its own pickling.
    """
    own, others = dict(model.named_parameters()), dict(copy.named_parameters())
    same = list(own) == list(others) and all(
        np.array_equal(p.data, q.data, equal_nan=True)
        for p, q in zip(own.values(), others.values(), strict=True)
    )
    if not same:
        raise NotInPartsError(
            f"a pickled copy of {type(model).__name__} has other parameters, and the parts are "
            "computed with copies: correct its __reduce__ or __getstate__"
        )


def check_leaves(model: Module, copy: Copy) -> None:
    """Raise NotInPartsError if the model uses a trainable Tensor that is not its parameter."""
    own = {id(p) for p in copy.model.parameters()}
    for x in behind(copy.graphs[0]):
        if x.function is None and x.requires_grad and id(x) not in own:
            raise NotInPartsError(
                f"{type(model).__name__} computes with {x.name or 'a Tensor'} of shape "
                f"{np.shape(x.data)}, which is not one of its parameters: make it an attribute"
            )


def those_that_draw(model: Module) -> str:
    """The layers that draw random numbers, for a message."""
    paths = [path for path, x in model.named_modules() if isinstance(x, Dropout) and x.p]
    return f"{', '.join(paths)} (Dropout)" if any(paths) else f"the {type(model).__name__}"
