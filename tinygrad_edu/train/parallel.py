"""How is the gradient of a batch computed in parts, in this process or on a Dask cluster?"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, apply, plain
from tinygrad_edu.nn import Module
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.train.independence import check_model, check_parts, those_that_draw
from tinygrad_edu.train.machines import Cluster, ClusterError, Here
from tinygrad_edu.train.parts import NotInPartsError, Step, generators_in_use, pickled_model


def network(model: Module, cluster: Any, parts: int | None) -> Any:
    """The function that computes model(x): the model itself, or an `InParts`."""
    if cluster is None and parts is None:
        return model
    machine = Here() if cluster is None else Cluster(cluster)
    return InParts(model, machine, None if parts is None else whole("parts", parts))


@contextmanager
def ending(compute: Any) -> Iterator[None]:
    """Free the tasks on the cluster at the end of the block, also after an error or Ctrl-C."""
    try:
        yield
    finally:
        if isinstance(compute, InParts):
            compute.machine.release()


class InParts:
    """A function that computes model(x) in parts, forward and backward.

    The prediction is one node of the graph, and the loss in this process is computed from it. The
    rule of this node sends to each part the gradient with respect to the part's predictions. It
    returns the gradients of the parameters, added over all parts.

    parts  the number of parts of a batch; None: the number of workers
    """

    def __init__(self, model: Module, machine: Any, parts: int | None) -> None:
        self.model, self.machine = model, machine
        self.chosen = parts is not None
        self.parts = parts or machine.size()
        self.steps = 0

    def __call__(self, x: Any) -> Any:
        self.machine.release()
        if not self.steps:
            check_model(self.model)
        x = rows_of(x)
        generators = generators_in_use(self.model)
        seeds = [int(deepcopy(g).integers(2**63)) for g in generators]
        pickled = pickled_model(self.model)
        try:
            step = Step(self.machine, pickled, x, self.parts, seeds)
        except (NotInPartsError, ClusterError):
            raise
        except Exception as error:
            self.model(x)  # usually raises the same error, with a traceback into the user's code
            error.add_note(
                "This error was raised for a part of the batch. This process computes the whole "
                "batch without an error."
            )
            raise
        for generator, drawn in zip(generators, step.drawn, strict=True):
            if drawn:
                generator.integers(2**63)  # so that the next step gets other seeds
        if any(step.drawn) and not self.chosen:
            raise NotInPartsError(
                f"{those_that_draw(self.model)} draws random numbers, and these depend on the "
                f"number of parts: give parts={self.parts}, or another number. Then the result "
                "does not depend on the number of workers"
            )
        self.steps += 1
        if is_power_of_ten(self.steps):
            check_parts(self.model, step)

        def in_parts(*parameters: Any) -> Any:
            return step.prediction

        def in_parts_backward(g: Any, out: Any, *parameters: Any) -> Any:
            if isinstance(g, Node):
                raise TypeError(
                    "a batch in parts has no second derivatives: train without cluster= and parts="
                )
            return tuple(step.gradients(g))

        in_parts.rule = in_parts_backward  # type: ignore[attr-defined]
        return apply(in_parts, *self.model.parameters())


def is_power_of_ten(n: int) -> bool:
    return 10 ** (len(str(n)) - 1) == n


def rows_of(x: Any) -> Any:
    if isinstance(x, Node) and x.requires_grad:
        raise NotInPartsError(
            "x requires a gradient, and a batch in parts does not compute it: give x.data"
        )
    x = plain(x)
    if not isinstance(x, np.ndarray) or not x.ndim or not len(x):
        raise NotInPartsError(
            f"a batch in parts needs an array x with one row for each example, and x is a "
            f"{type(x).__name__} of shape {np.shape(x)}: convert it with np.asarray(x)"
        )
    return x
