"""Is the gradient of a batch the sum of the gradients of its parts? An error, if it is not."""

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
    """Raise NotInPartsError for what is known before a batch is seen."""
    for path, module in model.named_modules():
        if isinstance(module, BatchNorm) and module.training:
            raise NotInPartsError(
                f"{path or 'the model'} is a {type(module).__name__}, which mixes the rows of a "
                "batch: in parts each part would have a mean of its own. Use nn.LayerNorm or "
                "nn.GroupNorm, or train in one process"
            )
    for path, p in model.named_parameters():
        if not isinstance(p, Tensor) or type(p.data) is not np.ndarray:
            raise NotInPartsError(
                f"{path} is a {type(p).__name__} of a {type(p.data).__name__}: in parts all "
                "parameters must be Tensors of NumPy arrays"
            )


def check_parts(model: Module, step: Step) -> None:
    """Raise NotInPartsError if a batch as a whole, computed here, gives something else.

    Compared are the predictions, and the gradients of their sum with random weights: these do not
    become 0 where the loss is least. Dropout is off in it; if the model still draws random numbers,
    all of it is in eval mode.
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
                f"{what} of {len(step.x)} rows is another in {step.parts} parts: the rows of this "
                "model depend on each other, or it draws from a generator that is no attribute of "
                "a layer, or the workers have another version of the code. Train it in one process"
            )


def check_repeatable(model: Module, step: Step) -> None:
    """Raise NotInPartsError if a copy gives another prediction for the same rows the second time.

    Such a model remembers something that `remembered` does not see. In one process the next step
    would find it, but in parts each step starts with new copies.
    """
    copy = copy_of(step.pickled)
    check_copy(model, copy.model)
    first, second = (predict(copy, step.x, step.seeds, 0)[0] for _ in range(2))
    if not agree(second, first, 0.0):
        raise NotInPartsError(
            f"{type(model).__name__} gives another prediction when it computes the same rows "
            "again: it remembers something, such as a counter in a list, or it draws from a "
            "generator that is not an attribute of a layer. Train it in one process"
        )


def agree(x: Any, y: Any, largest: float) -> bool:
    """Whether x and y differ by rounding only: by little of y, or next to nothing of `largest`."""
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
    """Of what is finite, without overflow in a narrow dtype."""
    return float(np.linalg.norm(x[np.isfinite(x)].astype(float)))


def without_chance(step: Step) -> bytes:
    """The model of a step, pickled, with what draws random numbers turned off."""
    for kind in (Dropout, Module):
        model = pickle.loads(step.pickled)
        for module in model.modules():
            module.training &= not isinstance(module, kind)
        pickled = pickled_model(model)
        if not any(Step(Here(), pickled, step.x, 1, step.seeds).drawn):
            return pickled
    raise NotInPartsError(
        f"{type(model).__name__} draws random numbers also in eval mode, so nobody can check that "
        "its rows are independent: let it draw only if self.training, or train in one process"
    )


def check_copy(model: Module, copy: Module) -> None:
    """Raise NotInPartsError if a copy of the model has not the same parameters in the same order.

    A class can say itself how it is pickled.
    """
    own, others = dict(model.named_parameters()), dict(copy.named_parameters())
    same = list(own) == list(others) and all(
        np.array_equal(p.data, q.data, equal_nan=True)
        for p, q in zip(own.values(), others.values(), strict=True)
    )
    if not same:
        raise NotInPartsError(
            f"a pickled copy of {type(model).__name__} has other parameters, and copies are what "
            "the parts are computed with: look at its __reduce__, __getstate__ and the like"
        )


def check_leaves(model: Module, copy: Copy) -> None:
    """Raise NotInPartsError if the model computes with parameters that are not its own."""
    own = {id(p) for p in copy.model.parameters()}
    for x in behind(copy.graphs[0]):
        if x.function is None and x.requires_grad and id(x) not in own:
            raise NotInPartsError(
                f"{type(model).__name__} computes with {x.name or 'a Tensor'} of shape "
                f"{np.shape(x.data)}, which is not among its parameters: make it an attribute"
            )


def those_that_draw(model: Module) -> str:
    paths = [path for path, x in model.named_modules() if isinstance(x, Dropout) and x.p]
    return f"{', '.join(paths)} (Dropout)" if any(paths) else f"the {type(model).__name__}"
