"""How does TensorBoard show a training? It reads event files with its numbers and pictures."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import plain
from tinygrad_edu.nn import Module
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.train.history import History

SOON = 1  # seconds after which numbers are on the disk


class TensorBoard:
    """A callback that writes a training to event files, for `tensorboard --logdir`.

        with train.TensorBoard("runs/first", model) as board:
            train.fit(model, ..., callbacks=[board])

    folder    where the files are written, one folder for each training; a training that is resumed
              from a checkpoint goes on in its folder
    model     the model whose weights and gradients are written as histograms; None for none
    every     write histograms and pictures after every so many epochs
    pictures  a dict from names to functions without arguments; each returns a matplotlib figure, or
              an array of the shape (height, width) or (height, width, 3) with bytes (uint8) or
              numbers from 0 to 1; numbers outside of this range are clipped

    The losses, the metrics and the learning rate are written after each epoch. The gradients are
    those of the last batch, after `before_step`. A histogram has the finite numbers only, and the
    scalar `not_finite/...` counts the others.
    Raises ImportError without tensorboardX, TypeError for a wrong model or picture, and ValueError
    for a wrong `every`; the training stops with ValueError if a picture has a wrong shape or type.
    """

    def __init__(
        self,
        folder: str | Path,
        model: Module | None = None,
        *,
        every: int = 1,
        pictures: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        if not isinstance(model, Module | None):
            raise TypeError(f"model must be a Module, and it is a {type(model).__name__}")
        for name, picture in (pictures or {}).items():
            if not callable(picture):
                raise TypeError(
                    f"picture {name!r} must be a function, and it is a {type(picture).__name__}"
                )
        self.new_writer = event_writer()
        self.folder = Path(folder)
        self.model = model
        self.every = whole("every", every)
        self.pictures = dict(pictures or {})
        self.writer: Any = None

    def __call__(self, history: History) -> None:
        epoch = len(history)
        if self.writer is None:
            self.writer = self.new_writer(
                str(self.folder),
                purge_step=epoch,  # a resumed training repeats the epochs from here on
                flush_secs=SOON,
                filename_suffix=f".{time.time_ns()}",  # else a file of the same second is lost
            )
        numbers = {"loss/train": history.train_loss, "loss/validation": history.validation_loss}
        numbers |= {f"metrics/{name}": values for name, values in history.metrics.items()}
        numbers |= {"learning_rate": history.lr}
        for name, values in numbers.items():
            if values:
                self.writer.add_scalar(name, values[-1], epoch)
        if epoch % self.every == 0:
            self.add_histograms(epoch)
            for name, picture in self.pictures.items():
                self.writer.add_image(name, pixels(name, picture()), epoch, dataformats="HWC")

    def add_histograms(self, epoch: int) -> None:
        if self.model is None:
            return
        for path, parameter in self.model.named_parameters():
            self.add_histogram(f"weights/{path}", parameter.data, epoch)
            if parameter.grad is not None:
                self.add_histogram(f"gradients/{path}", parameter.grad, epoch)

    def add_histogram(self, name: str, numbers: Any, epoch: int) -> None:
        found = np.asarray(plain(numbers), float).ravel()
        finite = found[np.isfinite(found)]
        if len(finite) < len(found):
            self.writer.add_scalar(f"not_finite/{name}", len(found) - len(finite), epoch)
        if len(finite):
            self.writer.add_histogram(name, finite, epoch)

    def close(self) -> None:
        """Close the file. After that, a resumed training may go on in the folder."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def event_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        message = 'TensorBoard needs tensorboardX: pip install "tinygrad_edu[tracking]"'
        raise ImportError(message, name="tensorboardX") from error
    return SummaryWriter


def pixels(name: str, picture: Any) -> npt.NDArray[np.uint8]:
    """Turn a figure or an array into bytes of the shape (height, width, 3)."""
    if hasattr(picture, "savefig"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        before = picture.canvas  # a new canvas takes its place, and a window would lose the figure
        with afterwards(lambda: picture.set_canvas(before)):
            canvas = FigureCanvasAgg(picture)
            canvas.draw()
            return np.asarray(canvas.buffer_rgba())[..., :3]
    found = np.asarray(plain(picture))
    if found.ndim == 2:
        found = np.repeat(found[..., None], 3, axis=-1)
    has_kind = found.dtype == np.uint8 or found.dtype.kind in "bf"
    if found.ndim != 3 or found.shape[-1] != 3 or not has_kind:
        raise ValueError(
            f"picture {name!r} must be a figure, or uint8 or floats from 0 to 1 of the shape "
            f"(height, width) or (height, width, 3), not {found.dtype} of the shape {found.shape}"
        )
    if found.dtype == np.uint8:
        return found
    return np.rint(255 * np.clip(np.nan_to_num(found.astype(float)), 0, 1)).astype(np.uint8)
