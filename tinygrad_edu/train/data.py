"""Data for training: rows held out for validation, and batches in a new order each epoch."""

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
    """Pairs (x[rows], y[rows]) of batch_size rows each; an epoch contains each row once.

    x, y        arrays (n, ...) with the same number of rows. A Tensor gives its data. A table or
                column of pandas gives its values, by position and not by label
    batch_size  the number of rows in a batch; the last batch may be smaller
    shuffle     draw a new random order of the rows for each epoch
    drop_last   leave out the last batch if it is smaller than batch_size
    rng         the generator of the random orders; default: the package's generator

    Raises ValueError for x and y of different lengths, for a batch_size below 1, and if drop_last
    leaves no batch.
    """
    return Batches(x, y, batch_size, shuffle, drop_last, rng)


@dataclass
class Epoch:
    """One pass over the rows: their order, and the number of batches that were given so far."""

    order: npt.NDArray[np.int64]
    position: int = 0


class Batches:
    """The result of `batches`: an iterable for any number of epochs; its len is batches per epoch.

    Several iterations may run at the same time, and each has its own position. `state_dict`
    describes the iteration that began last: the order of its rows, its position, and the generator
    of later orders. After `load_state_dict` the next iteration goes on from that position.
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
        self.epoch = Epoch(np.arange(len(self.x)))  # the epoch that began last
        self.resumed = False  # whether the next iteration continues that epoch
        if not len(self):
            raise ValueError(
                f"drop_last leaves no batch: there are {len(self.x)} rows, and batch_size is "
                f"{batch_size}; make batch_size smaller, or use drop_last=False"
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
        """The remaining batches of an epoch."""
        while epoch.position < len(self):
            start = epoch.position * self.batch_size
            rows = epoch.order[start : start + self.batch_size]
            epoch.position += 1
            yield self.x[rows], self.y[rows]
        epoch.position = 0

    def state_dict(self) -> dict[str, Any]:
        """The position in the data and the order of the rows, for a checkpoint."""
        return {
            "order": self.epoch.order.copy(),
            "batch_size": self.batch_size,
            "position": self.epoch.position,
            "resumed": self.epoch.position > 0,
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on from the position in `state`, the result of `state_dict`.

        Raises ValueError if the number of rows or the batch_size was different, and for an order or
        a position that is impossible in these rows.
        """
        order, position = np.array(state["order"]), state["position"]
        saved = len(order), state["batch_size"]
        if saved != (len(self.x), self.batch_size):
            raise ValueError(
                f"these are {len(self.x)} rows in batches of {self.batch_size}, and the saved "
                f"position is for {saved[0]} rows in batches of {saved[1]}: use the same data and "
                "batch_size to go on"
            )
        if (
            order.dtype.kind != "i"
            or not np.array_equal(np.sort(order), np.arange(len(self.x)))
            or position not in range(len(self) + 1)
        ):
            raise ValueError(
                f"position {position} in the order {order} is impossible: there are {len(self.x)} "
                f"rows in {len(self)} batches"
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
    """(x_train, y_train), (x_validation, y_validation): the rows of x and y, split at random.

    x, y        arrays (n, ...) with the same number of rows
    validation  the share of the rows to hold out, between 0 and 1
    rng         the generator of the random order; default: the package's generator

    Raises ValueError for x and y of different lengths, and if one part would get no row.
    """
    x, y = rows_of(x, y)
    n = round(len(x) * validation)
    if not 0 < n < len(x):
        raise ValueError(
            f"validation={validation} splits {len(x)} rows into {len(x) - n} for training and "
            f"{n} for validation; each part needs at least one"
        )
    order = default_rng(rng).permutation(len(x))
    return (x[order[n:]], y[order[n:]]), (x[order[:n]], y[order[:n]])


def rows_of(x: Any, y: Any) -> tuple[Any, Any]:
    """The arrays of x and y. Raises ValueError if they have different lengths or no rows."""
    x, y = array_of(x), array_of(y)
    if not np.ndim(x) or not np.ndim(y) or len(x) != len(y) or not len(x):
        raise ValueError(
            f"x and y need the same number of rows, at least one: x has shape {np.shape(x)}, "
            f"y has shape {np.shape(y)}"
        )
    return x, y


def array_of(x: Any) -> Any:
    """x as an array, so that x[rows] selects by position (a pandas Series selects by label)."""
    x = plain(x)
    return x if hasattr(x, "__array_function__") else np.asarray(x)
