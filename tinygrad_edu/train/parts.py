"""What does each part of a batch compute, and what is it on a worker?"""

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
from tinygrad_edu.rng import INSTEAD, default_rng
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.train.machines import KilledError

TOGETHER = 4  # gradients that one task adds

TURN = RLock()  # threads of one process share the package's generator, so they take turns


class NotInPartsError(ValueError):
    """A model whose gradient is not the sum of the gradients of its parts."""


class Step:
    """One batch in parts, with one copy of the model on each worker.

    prediction  model(x)
    drawn       for each generator, whether the model has drawn from it
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
        """The rows of each part; small batches have fewer parts."""
        return [part for part in np.array_split(rows, self.parts) if len(part)]

    def gradients(self, g: Any) -> list[Any]:
        """The gradient of each parameter, added over the parts, for the gradient g of prediction.

        The parts are added in their order, whatever worker had them: each sum has the same bits.
        """
        submit, parts = self.machine.submit, list(enumerate(self.cut(g)))
        with suppress(KilledError):
            sums = self.added([submit(differentiate, self.copy, k, h, place=k) for k, h in parts])
            if sums is not None:
                return sums
        return self.machine.persist(lambda: self.gradients_again(g))

    def gradients_again(self, g: Any) -> Any:
        """The same, where a graph is lost: with new predictions."""
        submit, both = self.machine.submit, zip(self.cut(self.x), self.cut(g), strict=True)
        copy = submit(copy_of, self.pickled)
        return self.added(
            [
                submit(predict_and_differentiate, copy, x, self.seeds, k, h, place=k)
                for k, (x, h) in enumerate(both)
            ]
        )

    def added(self, gradients: list[Any]) -> Any:
        """Their sum, by a tree of tasks: no worker gets more than a few of them."""
        while len(gradients) > 1:
            groups = [gradients[i : i + TOGETHER] for i in range(0, len(gradients), TOGETHER)]
            gradients = [self.machine.submit(add, *x) if len(x) > 1 else x[0] for x in groups]
        return self.machine.gather(gradients)[0]


# What a worker does


class Copy:
    """The model of one step in one process, and the graphs of the parts that were computed there.

    To another worker goes the model alone.
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
    """model(x) for the rows of a part, and whether it drew from each generator. Keeps the graph."""
    # NumPy rounds a sum differently if the rows lie differently in memory
    x = np.array(x, order="C", subok=True)
    model = copy.model
    with TURN, seeded(model, seeds, part) as drawn:
        before = remembered(model)
        out = model(x)
        check_unchanged(model, before)
    if not isinstance(out, Tensor):
        raise NotInPartsError(
            f"in parts a model must return one Tensor, and {type(model).__name__} returns a "
            f"{type(out).__name__}"
        )
    if not out.ndim or len(out) != len(x):
        raise NotInPartsError(
            f"in parts the prediction must have a row for each row of x, and "
            f"{type(model).__name__} returns {out.shape} for {x.shape}"
        )
    copy.graphs[part] = out
    return np.array(out.data, order="C"), drawn


def differentiate(copy: Copy, part: int, g: Any) -> list[Any] | None:
    """The gradients of a part, for the gradient g of its prediction; None for what has none.

    Returns None if the graph is not here: the worker that had it died, or Dask moved this task.
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
    """The gradients of several parts, added; None if one of them is lost."""
    if any(of_part is None for of_part in gradients):
        return None
    return [total(of_one) for of_one in zip(*gradients, strict=True)]


def total(gradients: Sequence[Any]) -> Any:
    """Their sum from left to right; parts that do not use a parameter have none of it."""
    found = [g for g in gradients if g is not None]
    return functools.reduce(np.add, found) if found else None


def generators_of(model: Module) -> list[np.random.Generator]:
    """The package's generator, and each one that is an attribute of a layer."""
    attributes = [x for module in model.modules() for x in vars(module).values()]
    own = {id(x): x for x in attributes if isinstance(x, np.random.Generator)}
    return [default_rng(), *own.values()]


@contextmanager
def seeded(model: Module, seeds: list[int], part: int) -> Iterator[list[bool]]:
    """Inside, each generator gives this part's numbers. At the end: whether it was drawn from."""
    drawn: list[bool] = []
    with temporarily(INSTEAD, np.random.default_rng()):
        generators = generators_of(model)
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
    """What may change when a model computes, and is there in the next step: arrays and numbers."""
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
                f"{path} changes when {type(model).__name__} computes, and in parts each part "
                "would have one of its own: such a model is trained in one process"
            )


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def pickled_model(model: Module) -> bytes:
    hint = ""
    try:
        import cloudpickle as pickler  # it comes with Dask, and takes lambdas as well
    except ImportError:
        pickler, hint = pickle, "; cloudpickle may be able to (pip install cloudpickle)"
    try:
        return pickler.dumps(model)
    except Exception as error:
        raise NotInPartsError(
            f"{type(model).__name__} cannot be sent to where its parts are computed: {error}{hint}"
        ) from error
