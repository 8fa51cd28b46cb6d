"""Averages of the parameters over the steps of a training."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.optim.cleanup import afterwards
from tinygrad_edu.optim.optimizer import copied, is_real, listed, restored
from tinygrad_edu.optim.settings import nonnegative


class EMA:
    """a = decay a + (1 - decay) p, after each step of the optimizer; a = p at the start.

    The averages cover many steps, and often generalize better than the last parameters:

        average = EMA(model.parameters())
        for x, y in batches(...):
            ...
            optimizer.step()
            average.update()
        with average.swapped():
            evaluate(model)

    Raises ValueError for a decay outside of [0, 1), and if there are no parameters.

    Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging", with
    exponential weights.
    """

    def __init__(self, params: Iterable[Any], decay: float = 0.999) -> None:
        nonnegative("decay", decay, below=1)
        self.params = listed(params)
        self.decay = decay
        self.averages = [restored(p.data, p.data) for p in self.params]
        if not self.params:
            raise ValueError("EMA got no parameters to average")

    def update(self) -> None:
        """Move the averages towards the parameters."""
        for i, p in enumerate(self.params):
            self.averages[i] += (1 - self.decay) * (p.data - self.averages[i])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """In the block, the data of the parameters is a copy of the averages."""
        before = [p.data for p in self.params]
        with afterwards(lambda: put_back(self.params, before)):
            for p, average in zip(self.params, self.averages):
                p.data = restored(average, p.data)
            yield

    def state_dict(self) -> dict[str, Any]:
        """A copy of the averages, and the decay."""
        return {"decay": self.decay, "averages": [copied(a) for a in self.averages]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; raises ValueError if it does not fit."""
        if set(state_dict) != {"decay", "averages"}:
            raise ValueError(
                "the state of an EMA has 'decay' and 'averages', "
                f"and this has {list(state_dict)}: nothing was loaded"
            )
        averages, decay = state_dict["averages"], state_dict["decay"]
        shapes, expected = ([np.shape(a) for a in x] for x in (averages, self.averages))
        if shapes != expected:
            raise ValueError(
                f"averages of shapes {shapes}, expected {expected}: nothing was loaded"
            )
        if not all(map(is_real, averages)):
            raise ValueError(
                "the averages must hold real numbers, and some do not: nothing was loaded"
            )
        nonnegative("decay", decay, below=1)
        averages = [restored(a, p.data) for a, p in zip(averages, self.params)]
        # One call: an interrupt leaves both set or neither.
        vars(self).update(decay=decay, averages=averages)


def put_back(params: Iterable[Any], before: Iterable[Any]) -> None:
    """Give each parameter back the data that it had before."""
    for p, data in zip(params, before):
        if p.data is not data:  # setting the same array counts as a change in place
            p.data = data
