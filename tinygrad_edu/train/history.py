"""What a training was like: a few numbers for each epoch."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tinygrad_edu.optim.settings import one_of
from tinygrad_edu.train.live import Live


class History:
    """What `fit` saw, in plain lists with one number for each finished epoch.

    train_loss       the mean over the rows of the epoch, taken while the weights changed
    validation_loss  the mean over the validation data, after the epoch; empty without such data
    metrics          a list like these for each metric, under its name
    lr               the learning rate at the end of the epoch
    stopped          whether a callback has ended the training
    live             more of the training that is under way, if somebody looks on; else None
    """

    def __init__(self) -> None:
        self.train_loss: list[float] = []
        self.validation_loss: list[float] = []
        self.metrics: dict[str, list[float]] = {}
        self.lr: list[float] = []
        self.stopped = False
        self.loss_sum, self.rows, self.batches = 0.0, 0, 0  # of the epoch under way
        self.live: Live | None = None

    def __len__(self) -> int:
        """The number of finished epochs."""
        return len(self.train_loss)

    def __getitem__(self, name: str) -> list[float]:
        """The list of that name: "train_loss", "validation_loss", "lr" or a metric."""
        lists = {
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "lr": self.lr,
            **self.metrics,
        }
        if not lists.get(name):
            there = ", ".join(key for key, values in lists.items() if values)
            raise KeyError(f"no {name!r} was recorded; there is {there or 'nothing yet'}")
        return lists[name]

    def best_epoch(self, monitor: str = "validation_loss", mode: str = "min") -> int:
        """The first index where the list `monitor` is smallest, or largest with mode="max".

        nan is worse than any number, in both modes.
        """
        one_of("mode", mode, "min", "max")
        values, sign = self[monitor], 1 if mode == "min" else -1
        return min(range(len(values)), key=lambda i: (math.isnan(values[i]), sign * values[i]))

    def add_batch(self, loss: float, rows: int) -> None:
        """Count a batch towards the mean loss of the epoch under way."""
        self.loss_sum += loss * rows
        self.rows += rows
        self.batches += 1

    def add_epoch(self, lr: float, validation: Mapping[str, float]) -> None:
        """Close the epoch under way. `validation` holds "loss" and the metrics, or nothing."""
        if not self.rows:
            raise ValueError(
                f"train_data gave no batch in epoch {len(self) + 1}; an iterator can be used only "
                "once: give a list, or batches(...)"
            )
        self.train_loss.append(self.loss_sum / self.rows)
        self.lr.append(lr)
        self.loss_sum, self.rows, self.batches = 0.0, 0, 0
        for name, value in validation.items():
            values = self.metrics.setdefault(name, []) if name != "loss" else self.validation_loss
            values.append(value)

    def __str__(self) -> str:
        """The last epoch, in one line."""
        if not len(self):
            return "no epoch yet"
        parts = {"loss": self.train_loss, "validation": self.validation_loss, **self.metrics}
        parts["lr"] = self.lr
        last = [f"{name} {values[-1]:.4g}" for name, values in parts.items() if values]
        return "  ".join([f"epoch {len(self)}", *last])

    def plot(self, path: Any = None) -> Any:
        """Draw the losses, the metrics and the learning rate with `viz.plots.plot_history`.

        path  a file to save the picture in, such as "history.png"

        Returns matplotlib's figure.
        """
        from tinygrad_edu.viz.plots import plot_history

        return plot_history(self, path)

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but `live`, for a checkpoint."""
        return deepcopy({name: x for name, x in vars(self).items() if name != "live"})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Be the history that `state_dict` gave."""
        if set(state) != set(vars(self)) - {"live"}:
            names = ", ".join(name for name in vars(self) if name != "live")
            raise ValueError(f"a history has {names}, not {', '.join(state)}")
        vars(self).update(deepcopy(dict(state)))
