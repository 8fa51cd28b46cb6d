"""Which tasks compute the prediction and the gradient of a batch in parts?"""

import functools
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.modes import temporarily
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.module import generators_of
from tinygrad_edu.rng import INSTEAD, default_rng
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.train.machines import KilledError

TOGETHER = 4  # the number of gradients that one task adds

TURN = RLock()  # the parts in one process share one copy of the model, so threads take turns


class NotInPartsError(ValueError):
    """The model or the batch cannot be computed in parts, or the result would be wrong."""


class Step:
    """One batch that is computed in parts. Each worker has one copy of the model.

    pickled     the model, as bytes
    seeds       one seed for each generator of the model
    prediction  model(x), the predictions of all parts in the order of the rows
    drawn       for each generator, whether the model drew random numbers from it
    """

    def __init__(self, machine: Any, pickled: bytes, x: Any, parts: int, seeds: list[int]) -> None:
        self.machine, self.pickled, self.x, self.parts = machine, pickled, x, parts
        self.seeds = seeds
        outs = machine.persist(self.predictions)
        self.prediction = np.concatenate([prediction for prediction, _ in outs])
        self.drawn = [any(flags) for flags in zip(*(drawn for _, drawn in outs), strict=True)]

    def predictions(self) -> list[Any]:
        submit, rows = self.machine.submit, self.cut(self.x)
        self.copy = submit(copy_of, self.pickled)
        return self.machine.gather(
            [submit(predict, self.copy, x, self.seeds, k, place=k) for k, x in enumerate(rows)]
        )

    def cut(self, rows: Any) -> list[Any]:
        """The rows of each part. No part is empty, so a small batch has fewer parts."""
        return [part for part in np.array_split(rows, self.parts) if len(part)]

    def gradients(self, g: Any) -> list[Any]:
        """The gradient of each parameter, added over all parts.

        g  the gradient of the loss with respect to the prediction

        The parts are always added in the same order. So the bits of a sum do not depend on which
        worker computed which part.
        """
        submit, parts = self.machine.submit, list(enumerate(self.cut(g)))
        with suppress(KilledError):
            sums = self.added([submit(differentiate, self.copy, k, h, place=k) for k, h in parts])
            if sums is not None:
                return sums
        return self.machine.persist(lambda: self.gradients_again(g))

    def gradients_again(self, g: Any) -> Any:
        """As `gradients`, with new predictions, because the graph of a part was lost."""
        submit, both = self.machine.submit, zip(self.cut(self.x), self.cut(g), strict=True)
        copy = submit(copy_of, self.pickled)
        return self.added(
            [
                submit(predict_and_differentiate, copy, x, self.seeds, k, h, place=k)
                for k, (x, h) in enumerate(both)
            ]
        )

    def added(self, gradients: list[Any]) -> Any:
        """The sum of the gradients of all parts. A tree of tasks adds a few of them at a time."""
        while len(gradients) > 1:
            groups = [gradients[i : i + TOGETHER] for i in range(0, len(gradients), TOGETHER)]
            gradients = [self.machine.submit(add, *x) if len(x) > 1 else x[0] for x in groups]
        return self.machine.gather(gradients)[0]


# What a worker does


class Copy:
    """A copy of the model in one process, for one step, and the graphs of the parts computed there.

    Pickling keeps the model and leaves out the graphs.
    """

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled
        self.model: Module = pickle.loads(pickled)
        self.graphs: dict[int, Tensor] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Copy, (self.pickled,)

    def __sizeof__(self) -> int:
        return len(self.pickled)


def copy_of(pickled: bytes) -> Copy:
    return Copy(pickled)


def predict(copy: Copy, x: Any, seeds: list[int], part: int) -> tuple[Any, list[bool]]:
    """model(x) for the rows x of a part, and for each generator whether it was used.

    The graph stays in copy.graphs, for `differentiate`.
    """
    # NumPy rounds a sum differently if the rows lie differently in memory
    x = np.array(x, order="C", subok=True)
    model = copy.model
    with TURN, seeded(model, seeds, part) as drawn:
        before = remembered(model)
        out = model(x)
        check_unchanged(model, before)
    if not isinstance(out, Tensor):
        raise NotInPartsError(
            f"a model in parts must return one Tensor, and {type(model).__name__} returns a "
            f"{type(out).__name__}: train it without cluster= and parts="
        )
    if not out.ndim or len(out) != len(x):
        raise NotInPartsError(
            f"a prediction in parts must have one row for each row of x, and "
            f"{type(model).__name__} returns shape {out.shape} for x of shape {x.shape}: train it "
            "without cluster= and parts="
        )
    copy.graphs[part] = out
    return np.array(out.data, order="C"), drawn


def differentiate(copy: Copy, part: int, g: Any) -> list[Any] | None:
    """The gradient of each parameter for one part; None for a parameter that the part does not use.

    g  the gradient of the loss with respect to the part's prediction

    Returns None if this process does not have the graph of the part: the worker that computed it
    died, or Dask moved this task to another worker.
    """
    out = copy.graphs.pop(part, None)
    if out is None:
        return None
    with TURN:
        copy.model.zero_grad()
        out.backward(np.array(g, order="C"))
        return [p.grad for p in copy.model.parameters()]


def predict_and_differentiate(copy: Copy, x: Any, seeds: list[int], part: int, g: Any) -> Any:
    predict(copy, x, seeds, part)
    return differentiate(copy, part, g)


def add(*gradients: list[Any] | None) -> list[Any] | None:
    """The sum of the gradients of several parts; None if one of them was lost."""
    if any(of_part is None for of_part in gradients):
        return None
    return [total(of_one) for of_one in zip(*gradients, strict=True)]


def total(gradients: Sequence[Any]) -> Any:
    """The gradients of one parameter, added from left to right. None counts as zero."""
    found = [g for g in gradients if g is not None]
    return functools.reduce(np.add, found) if found else None


def generators_in_use(model: Module) -> list[np.random.Generator]:
    """The package's generator, and each generator that is an attribute of a layer."""
    own = {id(x): x for x in generators_of(model)}
    return [default_rng(), *own.values()]


@contextmanager
def seeded(model: Module, seeds: list[int], part: int) -> Iterator[list[bool]]:
    """Seed all generators for one part. After the block, the list says which of them were used."""
    drawn: list[bool] = []
    with temporarily(INSTEAD, np.random.default_rng()):
        generators = generators_in_use(model)
        for i, (generator, seed) in enumerate(zip(generators, seeds, strict=True)):
            kind = type(generator.bit_generator)
            start = kind(np.random.SeedSequence([seed, part, i]))
            generator.bit_generator.state = start.state
        states = [state(g) for g in generators]
        yield drawn
        drawn.extend(state(g) != old for g, old in zip(generators, states, strict=True))


def state(generator: np.random.Generator) -> bytes:
    return pickle.dumps(generator.bit_generator.state)


def remembered(model: Module) -> dict[str, Any]:
    """The parameters, buffers, constant Tensors and numbers of the model, by path."""
    attributes = {
        f"{path}.{name}".removeprefix("."): x
        for path, module in model.named_modules()
        for name, x in vars(module).items()
    }
    constants = {
        path: np.array(plain(x))
        for path, x in attributes.items()
        if isinstance(x, Node) and x.function is None
    }
    numbers = {
        path: x
        for path, x in attributes.items()
        if isinstance(x, bool | int | float | str | np.generic)
    }
    arrays = {path: np.array(plain(x)) for path, x in model.named_state()}
    return {**numbers, **constants, **arrays}


def check_unchanged(model: Module, before: dict[str, Any]) -> None:
    after = remembered(model)
    for path, x in before.items():
        if path in after and not np.array_equal(x, after[path], equal_nan=is_float(x)):
            raise NotInPartsError(
                f"{path} changes when {type(model).__name__} computes a prediction. In parts, this "
                "change would be lost: train the model without cluster= and parts="
            )


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def pickled_model(model: Module) -> bytes:
    hint = ""
    try:
        import cloudpickle as pickler  # comes with Dask; it can pickle lambdas and local classes
    except ImportError:
        pickler, hint = pickle, ". cloudpickle can pickle more: pip install cloudpickle"
    try:
        return pickler.dumps(model)
    except Exception as error:
        raise NotInPartsError(
            f"{type(model).__name__} cannot be copied with pickle for its parts: {error}{hint}"
        ) from error
