"""Data for training: held-out rows, and batches in a new order every epoch."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import done_or_undone
from tinygrad_edu.graph import plain
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.rng import default_rng


def batches(
    x: Any,
    y: Any,
    batch_size: int,
    shuffle: bool = True,
    drop_last: bool = False,
    rng: np.random.Generator | None = None,
) -> "Batches":
    """Pairs (x[rows], y[rows]) of batch_size rows, which together are all rows once.

    x, y       arrays with as many rows. Tensors count as their data; of tables and columns of
               pandas the values are taken, by position and not by label
    shuffle    draw a new order of the rows, without replacement, in every iteration
    drop_last  leave out the last batch if it is smaller than the others
    rng        where the orders come from; the package's generator by default

    Raises ValueError for x and y of different lengths, and if there is no batch to give.
    """
    return Batches(x, y, batch_size, shuffle, drop_last, rng)


@dataclass
class Epoch:
    """One pass over the rows: their order, and how many batches of it were given."""

    order: npt.NDArray[np.int64]
    position: int = 0


class Batches:
    """What `batches` returns. It can be iterated again, and has a length: the number of batches.

    Several iterations may run at a time, each with a place of its own. The state is that of the one
    that was begun last: the order of its rows, the place reached in it, and the generator of the
    orders to come. After `load_state_dict` the next iteration goes on from that place.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        rng: np.random.Generator | None,
    ) -> None:
        self.x, self.y = rows_of(x, y)
        self.batch_size = whole("batch_size", batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rng = default_rng(rng)
        self.epoch = Epoch(np.arange(len(self.x)))  # the one begun last
        self.resumed = False  # whether the next iteration goes on with it
        if not len(self):
            raise ValueError(
                f"drop_last leaves no batch: {len(self.x)} rows are fewer than batch_size, "
                f"which is {batch_size}"
            )

    def __len__(self) -> int:
        batch = len(self.x) / self.batch_size
        return math.floor(batch) if self.drop_last else math.ceil(batch)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if not self.resumed:
            n = len(self.x)
            self.epoch = Epoch(self.rng.permutation(n) if self.shuffle else np.arange(n))
        self.resumed = False
        return self.rest(self.epoch)

    def rest(self, epoch: Epoch) -> Iterator[tuple[Any, Any]]:
        """The batches of an epoch that were not given yet."""
        while epoch.position < len(self):
            start = epoch.position * self.batch_size
            rows = epoch.order[start : start + self.batch_size]
            epoch.position += 1
            yield self.x[rows], self.y[rows]
        epoch.position = 0

    def state_dict(self) -> dict[str, Any]:
        """The place in the data, for a checkpoint."""
        return {
            "order": self.epoch.order.copy(),
            "batch_size": self.batch_size,
            "position": self.epoch.position,
            "resumed": self.epoch.position > 0,
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the place that `state_dict` gave.

        Raises ValueError for a state of data with another number of rows or another batch_size, and
        for one that is no place in these rows.
        """
        order, position = np.array(state["order"]), state["position"]
        saved = len(order), state["batch_size"]
        if saved != (len(self.x), self.batch_size):
            raise ValueError(
                f"these are {len(self.x)} rows in batches of {self.batch_size}; saved was the "
                f"place in {saved[0]} rows in batches of {saved[1]}"
            )
        if (
            order.dtype.kind != "i"
            or not np.array_equal(np.sort(order), np.arange(len(self.x)))
            or position not in range(len(self) + 1)
        ):
            raise ValueError(
                f"position {position} in the order {order} is no place in {len(self.x)} rows of "
                f"{len(self)} batches"
            )
        resumed = bool(state["resumed"])
        here = self.epoch, self.resumed, self.rng.bit_generator.state
        done_or_undone(
            lambda: self.move_to(Epoch(order, position), resumed, state["rng"]),
            lambda: self.move_to(*here),
        )

    def move_to(self, epoch: Epoch, resumed: bool, rng: Mapping[str, Any]) -> None:
        self.epoch, self.resumed = epoch, resumed
        self.rng.bit_generator.state = rng


def split(
    x: Any, y: Any, validation: float = 0.2, rng: np.random.Generator | None = None
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """(x_train, y_train), (x_validation, y_validation): the rows of x and y, dealt at random.

    validation  the share of the rows that is held out, between 0 and 1

    Raises ValueError for x and y of different lengths, and if one side would get no row.
    """
    x, y = rows_of(x, y)
    n = round(len(x) * validation)
    if not 0 < n < len(x):
        raise ValueError(
            f"validation={validation} of {len(x)} rows leaves {len(x) - n} to train on and "
            f"{n} to validate with; both need at least one"
        )
    order = default_rng(rng).permutation(len(x))
    return (x[order[n:]], y[order[n:]]), (x[order[:n]], y[order[:n]])


def rows_of(x: Any, y: Any) -> tuple[Any, Any]:
    """The arrays of x and y, checked: each row of x has its row of y."""
    x, y = array_of(x), array_of(y)
    if not np.ndim(x) or not np.ndim(y) or len(x) != len(y) or not len(x):
        raise ValueError(
            f"x and y need as many rows each, and at least one: x has shape {np.shape(x)}, "
            f"y {np.shape(y)}"
        )
    return x, y


def array_of(x: Any) -> Any:
    """x as an array: [rows] selects from it by position, and from a pandas Series by label."""
    x = plain(x)
    return x if hasattr(x, "__array_function__") else np.asarray(x)
