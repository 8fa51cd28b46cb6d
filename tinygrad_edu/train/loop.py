"""The training loop, and the callbacks that it can call."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from tinygrad_edu.anomaly import first_anomaly, is_finite
from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import Node, behind, plain
from tinygrad_edu.losses import binary_cross_entropy
from tinygrad_edu.messages import described, operation
from tinygrad_edu.modes import no_grad
from tinygrad_edu.nn import Module
from tinygrad_edu.operands import is_lazy
from tinygrad_edu.optim.settings import as_float, one_of, whole
from tinygrad_edu.progress import Progress
from tinygrad_edu.train import parallel
from tinygrad_edu.train.checkpoint import Checkpoint
from tinygrad_edu.train.history import History
from tinygrad_edu.train.lazy_arrays import compute
from tinygrad_edu.train.live import Live, show_in_notebook

Loss = Callable[[Any, Any], Any]
Metrics = Mapping[str, Callable[[Any, Any], float]]

TAKEN = "loss", "train_loss", "validation_loss", "lr"  # what a history records besides metrics


def fit(
    model: Module,
    loss: Loss,
    optimizer: Any,
    train_data: Iterable[tuple[Any, Any]],
    validation: Iterable[tuple[Any, Any]] | None = None,
    *,
    epochs: int,
    scheduler: Any = None,
    scheduler_per_batch: bool = False,
    metrics: Metrics | None = None,
    before_step: Callable[[], object] | None = None,
    after_step: Callable[[], object] | None = None,
    callbacks: Sequence[Callable[[History], object]] = (),
    checkpoint: Checkpoint | None = None,
    progress: bool = True,
    live: bool = False,
    level: float | None = None,
    history: History | None = None,
    cluster: Any = None,
    parts: int | None = None,
) -> History:
    """Minimize loss(model(x), y): for each batch, compute the gradient and make one optimizer step.

    train_data, validation
                 an iterable of batches (x, y), such as `batches(x, y, size)`, or one batch: a tuple
                 of two arrays. Without `validation`, nothing is validated
    epochs       the number of passes through train_data, in total
    scheduler    its step() is called after each epoch, or after each batch if `scheduler_per_batch`
                 is true. If step() has a parameter `metrics` (ReduceLROnPlateau), it gets the
                 validation loss, or the training loss if there are no validation data
    metrics      {name: function(prediction, y)}, called with plain arrays; the history records
                 their means over the validation data
    before_step  called without arguments between backward() and step(), to clip gradients
    after_step   called without arguments after step(), to average weights
    callbacks    functions of the history, called after each epoch. If one returns a true value,
                 the training ends
    checkpoint   a `Checkpoint`: the file to save to after each epoch, or more often. If it exists,
                 the training goes on from it and gives the same result as without a stop: the same
                 command starts and resumes
    progress     show a progress bar (tqdm, in a terminal) or print one line for each epoch
    live         draw the curves below a notebook's cell during the training, instead of `progress`
    level        the score at which a model with one output changes its class; live pictures draw
                 the boundary there. Default: 0.5 with `binary_cross_entropy`, whose predictions
                 are probabilities, and 0 with any other loss
    history      the history to write to, such as one that `viz.watch` shows in a browser tab. Its
                 epochs count towards `epochs`. Default: a new history
    cluster      a `distributed.Client`. Its workers compute the model and its gradient, each worker
                 for some rows of a batch; this process computes the loss and makes the step
    parts        the number of parts of a batch; default: the number of workers. Without `cluster`,
                 this process computes the parts, and the numbers are the same, bit for bit

    In parts, every loss is correct, because it sees all predictions. The model must compute each
    row without the other rows, return one Tensor with one row for each row of x, and not change
    itself. So BatchNorm is refused. In steps 1, 10, 100 and so on, this process also computes the
    whole batch, and a model that gives another result in parts is refused. A model that draws
    random numbers, such as one with Dropout, needs `parts`, because each part draws its own.

    Raises FloatingPointError at the first loss that is not finite, and says where it came from.
    Raises ValueError or TypeError for settings that make no sense, before the training begins;
    ValueError for a model that cannot be computed in parts; RuntimeError if the cluster has had no
    worker for a minute.
    """
    epochs = whole("epochs", epochs, low=0)
    level = (0.5 if loss is binary_cross_entropy else 0.0) if level is None else as_float(level)
    if not np.isfinite(level):
        raise ValueError("level must be a finite number: a score, such as 0 or 0.5")
    if metrics and validation is None:
        raise ValueError("metrics are measured on the validation data: give validation=")
    callbacks = list(callbacks)
    check_hooks(callbacks, before_step, after_step, scheduler)
    check_monitors(callbacks, metrics or {}, validation is not None)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"checkpoint must be a train.Checkpoint(path), and this is {checkpoint!r}")
    if checkpoint and checkpoint.every and not hasattr(train_data, "load_state_dict"):
        raise ValueError(
            "Checkpoint(every=...) saves inside an epoch, and that needs train_data from "
            "batches(...), which knows its position: use batches, or leave out every="
        )
    forward = parallel.network(model, cluster, parts)
    history = History() if history is None else history
    if live:
        show_in_notebook(history)
    known = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "history": history}
    known |= {"data": train_data} | {f"callback {i}": x for i, x in enumerate(callbacks)}
    saved = {name: x for name, x in known.items() if hasattr(x, "load_state_dict")}
    if checkpoint:
        checkpoint.resume(**saved)
    model.train()
    seen = history.live
    progress = progress and not (seen and seen.draw)
    with (
        batches_shown(progress, pairs(train_data), epochs, history) as shown,
        looked_at(seen, model, len(history), level),
        parallel.ending(forward),
    ):
        while len(history) < epochs and not history.stopped:
            for x, y in pairs(train_data):
                value = differentiate(model, forward, loss, optimizer, x, y, history)
                if seen:
                    seen.batch(x, y, value)
                if before_step:
                    before_step()
                optimizer.step()
                if after_step:
                    after_step()
                if scheduler and scheduler_per_batch:
                    scheduler.step()
                history.add_batch(value, len(x))
                shown.step()
                if checkpoint and checkpoint.every and history.batches % checkpoint.every == 0:
                    checkpoint.save(**saved)
            scores = {} if validation is None else evaluate(model, loss, validation, metrics)
            history.add_epoch(optimizer.lr, scores)
            if seen:
                seen.epoch()
            if scheduler and not scheduler_per_batch:
                step_scheduler(scheduler, history)
            answers = [callback(history) for callback in callbacks]
            history.stopped = any(answers)
            shown.tell(str(history))
            if checkpoint:
                checkpoint.save(**saved)
    return history


@contextmanager
def looked_at(seen: Live | None, model: Module, epochs: int, level: float) -> Iterator[None]:
    """Tell the live view, if there is one, when the training begins and ends."""

    def predict(x: Any) -> Any:
        with evaluating(model), no_grad():
            return plain(model(x))

    if seen:
        seen.begin(model, predict, epochs, level)
    try:
        yield
    finally:
        if seen:
            seen.end()


def check_hooks(
    callbacks: Sequence[Any], before_step: Any, after_step: Any, scheduler: Any
) -> None:
    """Raise TypeError for a hook that cannot be called."""
    hooks = {"before_step": before_step, "after_step": after_step}
    hooks |= {f"callback {i}": x for i, x in enumerate(callbacks)}
    for name, x in hooks.items():
        if not callable(x) and (x is not None or name.startswith("callback")):
            raise TypeError(f"{name} must be a function, and it is {x!r}")
    if scheduler is not None and not hasattr(scheduler, "step"):
        raise TypeError(f"scheduler must have a step(), and it is {scheduler!r}")


def check_monitors(callbacks: Sequence[Any], metrics: Metrics, validated: bool) -> None:
    """Raise ValueError for a callback whose `monitor` is not recorded in this training."""
    check_metrics(metrics)
    recorded = ["train_loss", "lr", *["validation_loss"] * validated, *metrics]
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in recorded:
            raise ValueError(
                f"{type(callback).__name__} watches {monitor!r}, and this training records "
                f"{', '.join(recorded)}: choose its monitor=, or give fit validation= and metrics="
            )


def check_metrics(metrics: Metrics) -> None:
    """Raise TypeError for a metric that is not a function, ValueError for a reserved name."""
    for name, function in metrics.items():
        if not callable(function):
            raise TypeError(f"metric {name!r} must be a function, and it is {function!r}")
        if name in TAKEN:
            raise ValueError(f"a metric cannot be called {name!r}: choose another name")


def differentiate(
    model: Module, forward: Any, loss: Loss, optimizer: Any, x: Any, y: Any, history: History
) -> float:
    """Put the gradient of loss(model(x), y) into the parameters; return the loss.

    forward  the model, or a function that computes the same in parts

    This is a separate function, so that a batch's graph is freed before the next one is built.
    """
    optimizer.zero_grad()
    out = loss(forward(x), y)
    if not isinstance(out, Node):
        raise TypeError(
            f"loss must return a Tensor or a Value with its graph, and it returned a "
            f"{type(out).__name__}: look for a missing return, or for a .data or .item() in it"
        )
    lazy = is_lazy(out.data)
    if lazy:  # the loss and its gradients in one pass
        out.backward()
    value = compute(out, model) if lazy else float(out.data)
    if not is_finite(value):
        if forward is not model and not is_finite((here := loss(model(x), y)).data):
            out = here  # a graph that goes through the model, unlike that of the parts
        raise FloatingPointError(
            f"the loss is {value} in epoch {len(history) + 1}, batch "
            f"{history.batches + 1}, at learning rate {optimizer.lr:g}. {origin(out, model)}"
        )
    if not lazy:
        out.backward()
    return value


def origin(root: Node, model: Module) -> str:
    """A sentence: which node behind root is the first that is not finite, and its operands."""
    paths = {id(p): path for path, p in model.named_parameters()}

    def named(x: Any, data: Any) -> str:
        name = f"{paths[id(x)]} of shape {np.shape(data)}" if id(x) in paths else described(x)
        return name if is_finite(data) else f"{name} (not finite)"

    first = first_anomaly(behind(root))
    if first is None:
        return "Every infinity in it was written in a call, as in np.where(mask, x, -np.inf)"
    if first.function is None:
        return (
            f"It was there before this batch: {named(first, first.data)}. If that is a parameter, "
            "an earlier step was too large: lower the learning rate"
        )
    operands = ", ".join(named(*pair) for pair in zip(first.inputs, first.seen[1:]))
    return f"The first node that is not finite is {operation(first.rule)} of {operands}"


def evaluate(
    model: Module, loss: Loss, data: Iterable[tuple[Any, Any]], metrics: Metrics | None = None
) -> dict[str, float]:
    """The mean loss over all rows of data, under "loss", and the mean of each metric.

    data     an iterable of batches (x, y), or one batch: a tuple of two arrays
    metrics  {name: function(prediction, y)}, called with plain arrays

    A batch counts as often as it has rows. The model is in eval mode during the call, and no graph
    is recorded. Raises ValueError for data without a batch and for a metric with a reserved name.
    """
    check_metrics(metrics or {})
    functions: Metrics = {"loss": loss, **(metrics or {})}
    sums, rows = dict.fromkeys(functions, 0.0), 0
    with evaluating(model), no_grad():
        for x, y in pairs(data):
            prediction = model(x)
            for name, function in functions.items():
                out = function(prediction if name == "loss" else plain(prediction), y)
                sums[name] += float(plain(out)) * len(x)
            rows += len(x)
    if not rows:
        raise ValueError(
            "the validation data gave no batch: they are empty, or an iterator, which can be used "
            "only once; use a list or batches(...)"
        )
    return {name: total / rows for name, total in sums.items()}


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Inside the block every module is in eval mode; afterwards each has its old mode again."""
    before = [(module, module.training) for module in model.modules()]

    def restore() -> None:
        for module, training in before:
            module.training = training

    with afterwards(restore):
        model.eval()
        yield


def accuracy(scores: Any, classes: Any) -> float:
    """The share of correct rows: argmax(scores) == class.

    scores   (rows, classes)
    classes  (rows,): the index of the correct class of each row
    """
    return float(np.mean(np.argmax(scores, axis=-1) == classes))


class EarlyStopping:
    """A callback: end the training after `patience` epochs in a row without a new best value.

    monitor  the value to watch: "validation_loss", "train_loss" or the name of a metric
    mode     "min" if a small value is good, "max" if a large one is

    Goodfellow, Bengio and Courville 2016, "Deep learning", algorithm 7.1.
    """

    def __init__(self, patience: int, monitor: str = "validation_loss", mode: str = "min") -> None:
        self.patience = whole("patience", patience)
        self.monitor = monitor
        self.mode = one_of("mode", mode, "min", "max")

    def __call__(self, history: History) -> bool:
        waited = len(history) - 1 - history.best_epoch(self.monitor, self.mode)
        return waited >= self.patience


class BestWeights:
    """A callback: keep a copy of the weights of the best epoch. `restore()` loads them.

    monitor, mode  which epoch is the best, as in EarlyStopping
    """

    def __init__(self, model: Module, monitor: str = "validation_loss", mode: str = "min") -> None:
        if not isinstance(model, Module):
            raise TypeError(f"model must be a Module, and it is a {type(model).__name__}")
        self.model = model
        self.monitor = monitor
        self.mode = one_of("mode", mode, "min", "max")
        self.best: dict[str, Any] = {}

    def __call__(self, history: History) -> None:
        if history.best_epoch(self.monitor, self.mode) == len(history) - 1:
            self.best = self.model.state_dict()

    def restore(self) -> None:
        """Load the best weights into the model. Raises RuntimeError before the first epoch."""
        if not self.best:
            raise RuntimeError(
                "there are no best weights yet: is this among the callbacks of fit, and has one "
                "epoch ended?"
            )
        self.model.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        return deepcopy(self.best)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best = deepcopy(dict(state))


def batches_shown(show: bool, data: Any, epochs: int, history: History) -> Progress:
    """A bar that counts the batches of all epochs, earlier ones too; or a line for each epoch."""
    batches = len(data) if hasattr(data, "__len__") else None
    done = len(history) * (batches or 0) + history.batches
    return Progress(show, batches and batches * epochs, done=done, unit="batch")


def pairs(data: Any) -> Any:
    """The batches of data: a tuple of two arrays is one batch."""
    return [data] if isinstance(data, tuple) else data


def step_scheduler(scheduler: Any, history: History) -> None:
    if "metrics" in inspect.signature(scheduler.step).parameters:
        scheduler.step((history.validation_loss or history.train_loss)[-1])
    else:
        scheduler.step()
