"""The history of a training: a few numbers for each epoch."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tinygrad_edu.optim.settings import one_of
from tinygrad_edu.train.live import Live


class History:
    """The record that `fit` writes: plain lists with one number for each finished epoch.

    train_loss       the mean loss over the rows of the epoch, measured while the weights change
    validation_loss  the mean loss over the validation data after the epoch; empty without them
    metrics          {name: a list of the same kind} for each metric
    lr               the learning rate at the end of the epoch
    stopped          whether a callback has ended the training
    live             a `train.Live` with the details of a training that is shown live; else None
    """

    def __init__(self) -> None:
        self.train_loss: list[float] = []
        self.validation_loss: list[float] = []
        self.metrics: dict[str, list[float]] = {}
        self.lr: list[float] = []
        self.stopped = False
        self.loss_sum, self.rows, self.batches = 0.0, 0, 0  # of the current epoch
        self.live: Live | None = None

    def __len__(self) -> int:
        """The number of finished epochs."""
        return len(self.train_loss)

    def __getitem__(self, name: str) -> list[float]:
        """The list with this name: "train_loss", "validation_loss", "lr" or a metric.

        Raises KeyError for a name without numbers; the message lists the names that have some.
        """
        lists = {
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "lr": self.lr,
            **self.metrics,
        }
        if not lists.get(name):
            there = ", ".join(key for key, values in lists.items() if values)
            raise KeyError(f"{name!r} was not recorded; recorded so far: {there or 'nothing'}")
        return lists[name]

    def best_epoch(self, monitor: str = "validation_loss", mode: str = "min") -> int:
        """The index of the smallest number in the list `monitor`, or of the largest one.

        monitor  "train_loss", "validation_loss", "lr" or the name of a metric
        mode     "min" for the smallest, "max" for the largest

        Of equal numbers the first counts. nan is worse than any number, in both modes.
        """
        one_of("mode", mode, "min", "max")
        values, sign = self[monitor], 1 if mode == "min" else -1
        return min(range(len(values)), key=lambda i: (math.isnan(values[i]), sign * values[i]))

    def add_batch(self, loss: float, rows: int) -> None:
        """Add a batch to the mean loss of the current epoch."""
        self.loss_sum += loss * rows
        self.rows += rows
        self.batches += 1

    def add_epoch(self, lr: float, validation: Mapping[str, float]) -> None:
        """End the current epoch. `validation` has "loss" and the metrics, or is empty."""
        if not self.rows:
            raise ValueError(
                f"train_data gave no batch in epoch {len(self) + 1}: they are empty, or an "
                "iterator, which can be used only once; use a list or batches(...)"
            )
        self.train_loss.append(self.loss_sum / self.rows)
        self.lr.append(lr)
        self.loss_sum, self.rows, self.batches = 0.0, 0, 0
        for name, value in validation.items():
            values = self.metrics.setdefault(name, []) if name != "loss" else self.validation_loss
            values.append(value)

    def __str__(self) -> str:
        """The last epoch in one line."""
        if not len(self):
            return "no epoch yet"
        parts = {"loss": self.train_loss, "validation": self.validation_loss, **self.metrics}
        parts["lr"] = self.lr
        last = [f"{name} {values[-1]:.4g}" for name, values in parts.items() if values]
        return "  ".join([f"epoch {len(self)}", *last])

    def plot(self, path: Any = None) -> Any:
        """Draw the losses, the metrics and the learning rate with `viz.plots.plot_history`.

        path  the file to save the picture in, such as "history.png"; None: no file

        Returns matplotlib's figure.
        """
        from tinygrad_edu.viz.plots import plot_history

        return plot_history(self, path)

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but `live`, for a checkpoint."""
        return deepcopy({name: x for name, x in vars(self).items() if name != "live"})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace all lists by those in `state`, the result of `state_dict`.

        Raises ValueError for a state with other names.
        """
        if set(state) != set(vars(self)) - {"live"}:
            names = ", ".join(name for name in vars(self) if name != "live")
            raise ValueError(f"a history has {names}, not {', '.join(state)}")
        vars(self).update(deepcopy(dict(state)))
