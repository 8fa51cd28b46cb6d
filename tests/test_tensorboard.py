"""train.TensorBoard: what it writes, read back by TensorBoard's own reader."""

import io
import sys
import time

import numpy as np
import pytest

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.train.tensorboard import pixels
from tinygrad_edu.viz.plots.style import figure

NEEDED = "install tinygrad_edu[tracking] and tensorboard"
pytest.importorskip("tensorboardX", reason=NEEDED)
events = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason=NEEDED
)
image = pytest.importorskip("PIL.Image", reason="no Pillow")


def read(folder):
    sizes = dict.fromkeys(("scalars", "histograms", "images"), 0)  # all of each
    found = events.EventAccumulator(str(folder), sizes)
    found.Reload()
    return found


def scalars(folder, name):
    return [(x.step, x.value) for x in read(folder).Scalars(name)]


class Training:
    """A small training, whose model is at hand."""

    def __init__(self):
        manual_seed(0)
        x = np.random.default_rng(0).normal(size=(32, 2))
        self.data = train.batches(x, x[:, :1] * x[:, 1:], batch_size=8)
        self.model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.5)
        self.scheduler = optim.lr_scheduler.StepLR(self.optimizer, 2)

    def fit(self, epochs, *callbacks, **options):
        return train.fit(
            self.model, losses.mse_loss, self.optimizer, self.data, self.data, epochs=epochs,
            scheduler=self.scheduler, metrics={"error": lambda y, t: float(np.abs(y - t).mean())},
            callbacks=callbacks, progress=False, **options,
        )  # fmt: skip


def test_losses_metrics_and_rates_are_read_back(tmp_path):
    with train.TensorBoard(tmp_path) as board:
        history = Training().fit(4, board)
    expected = {
        "loss/train": history.train_loss,
        "loss/validation": history.validation_loss,
        "metrics/error": history.metrics["error"],
        "learning_rate": history.lr,
    }
    assert set(read(tmp_path).Tags()["scalars"]) == set(expected)
    for name, values in expected.items():
        steps, found = zip(*scalars(tmp_path, name), strict=True)
        assert steps == (1, 2, 3, 4)
        np.testing.assert_allclose(found, values, rtol=1e-6)  # they are stored as float32
    assert len(set(history.lr)) > 1


def test_histograms_of_weights_and_gradients_are_read_back(tmp_path):
    training, seen = Training(), []

    def note(history):
        seen.append({path: (p.data, p.grad) for path, p in training.model.named_parameters()})

    with train.TensorBoard(tmp_path, training.model, every=2) as board:
        training.fit(4, board, note)
    found = read(tmp_path)
    paths = [path for path, _ in training.model.named_parameters()]
    names = [f"{kind}/{path}" for path in paths for kind in ("weights", "gradients")]
    assert found.Tags()["histograms"] == names
    for path in paths:
        for kind, numbers in zip(("weights", "gradients"), seen[-1][path], strict=True):
            first, last = found.Histograms(f"{kind}/{path}")
            assert (first.step, last.step) == (2, 4)
            made = last.histogram_value
            assert (made.num, sum(made.bucket)) == (numbers.size, numbers.size)
            np.testing.assert_allclose(
                [made.min, made.max, made.sum, made.sum_squares],
                [numbers.min(), numbers.max(), numbers.sum(), (numbers**2).sum()],
            )


def test_what_is_not_finite_is_counted(tmp_path):
    training = Training()
    history = training.fit(1)
    weights = dict(training.model.named_parameters())["layers.0.weight"]
    weights.grad = np.full_like(weights.data, np.nan)
    weights.grad[0, 0] = 2.0
    with train.TensorBoard(tmp_path, training.model) as board:
        board(history)
    size = weights.data.size
    assert scalars(tmp_path, "not_finite/gradients/layers.0.weight") == [(1, size - 1)]
    (made,) = read(tmp_path).Histograms("gradients/layers.0.weight")
    assert (made.histogram_value.num, made.histogram_value.sum) == (1, 2.0)


def test_pictures_are_read_back(tmp_path):
    drawn = figure(2, 1)
    drawn.subplots().plot([0, 1])
    grey = np.linspace(0, 1, 12).reshape(3, 4)
    colors = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    pictures = {"figure": lambda: drawn, "grey": lambda: grey, "colors": lambda: colors}
    with train.TensorBoard(tmp_path, pictures=pictures, every=2) as board:
        Training().fit(2, board)
    found = read(tmp_path)

    def shown(name):
        (one,) = found.Images(name)
        assert one.step == 2
        return np.asarray(image.open(io.BytesIO(one.encoded_image_string)))

    assert shown("figure").shape == (100, 200, 3)
    assert 0 < np.mean(shown("figure") < 200) < 0.5  # there is a line on white
    np.testing.assert_array_equal(shown("grey"), np.rint(255 * grey)[..., None].repeat(3, -1))
    np.testing.assert_array_equal(shown("colors"), colors)


def test_a_training_that_is_resumed_goes_on_in_its_folder(tmp_path):
    """The last epochs before the crash are not in the checkpoint: they are made again."""
    board, path = tmp_path / "board", tmp_path / "checkpoint.npz"
    kept = train.Checkpoint(path)

    def crash(history):
        if len(history) == 3:
            raise KeyboardInterrupt

    with train.TensorBoard(board) as first, pytest.raises(KeyboardInterrupt):
        Training().fit(5, first, crash, checkpoint=kept)
    assert [step for step, _ in scalars(board, "loss/train")] == [1, 2, 3]
    with train.TensorBoard(board) as second:
        history = Training().fit(5, second, lambda history: None, checkpoint=kept)
    steps, values = zip(*scalars(board, "loss/train"), strict=True)
    assert steps == (1, 2, 3, 4, 5)
    np.testing.assert_allclose(values, history.train_loss, rtol=1e-6)


def test_an_epoch_is_on_the_disk_soon_and_before_the_end(tmp_path):
    board = train.TensorBoard(tmp_path)
    Training().fit(2, board)
    limit = time.monotonic() + 20
    while len(read(tmp_path).Tags()["scalars"]) < 4 or len(scalars(tmp_path, "loss/train")) < 2:
        assert time.monotonic() < limit
        time.sleep(0.05)
    board.close()


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(TypeError, match="model must be a Module, and it is a list"):
        train.TensorBoard(tmp_path, [])
    with pytest.raises(ValueError, match="every must be a whole number of at least 1"):
        train.TensorBoard(tmp_path, every=0)
    with pytest.raises(TypeError, match="picture 'x' must be a function"):
        train.TensorBoard(tmp_path, pictures={"x": np.ones((2, 2))})
    for wrong, kind in ((np.ones((2, 2, 5)), "float64"), (np.ones((2, 2), np.uint16), "uint16")):
        with (
            train.TensorBoard(tmp_path, pictures={"x": lambda wrong=wrong: wrong}) as board,
            pytest.raises(
                ValueError, match=rf"picture 'x' must be .* not {kind} of the shape \(2,"
            ),
        ):
            Training().fit(1, board)


def test_a_figure_keeps_its_canvas():
    drawn = figure(2, 1)
    canvas = drawn.canvas
    pixels("x", drawn)
    assert drawn.canvas is canvas


def test_without_tensorboardx_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[tracking\]"'):
        train.TensorBoard(tmp_path)
