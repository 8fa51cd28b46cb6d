"""Checkpoints: bit for bit, whole or refused; a killed training ends as if it was not."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.rng import default_rng
from tinygrad_edu.train import CheckpointError, checkpoint

PROGRAM = Path(__file__).parent / "killed_training.py"
FORMATS = pytest.mark.parametrize("name", ["run.npz", "run.safetensors"])


def network(width=3, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(2, width, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(width, 1, rng=rng)
    )


def trained(seed=0):
    """A network and its optimizer after a step."""
    model = network(seed=seed)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    losses.mse_loss(model(np.ones((4, 2))), np.zeros((4, 1))).backward()
    optimizer.step()
    return model, optimizer


def same(x, y):
    """Equal in structure, types and bits."""
    assert type(x) is type(y)
    if isinstance(x, dict):
        assert list(x) == list(y)
        for key in x:
            same(x[key], y[key])
    elif isinstance(x, list | tuple):
        assert len(x) == len(y)
        for pair in zip(x, y, strict=True):
            same(*pair)
    elif isinstance(x, np.ndarray):
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
    else:
        assert repr(x) == repr(y)


@FORMATS
def test_everything_comes_back_bit_for_bit(tmp_path, name):
    odd = np.array([np.nan, -np.nan, -0.0, np.inf, 5e-324, 0.1])
    content = {
        "floats": odd,
        "half": odd[3:].astype(np.float16),
        "single": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "scalar": np.array(1.5),
        "empty": np.zeros((0, 3), int),
        "flags": np.array([True, False]),
        "numbers": [1, -0.0, 0.1 + 0.2, 2**127 + 1, float("inf"), True, None, 'ä"\n'],
        "nested": {"0": {0: [(1, 2), {}], "a.b": np.ones(1)}, "0.a.b": ()},
        "file": {"array": "file"},
    }
    train.save(tmp_path / name, **content)
    same(train.load(tmp_path / name), content)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@FORMATS
def test_objects_are_restored(tmp_path, name):
    (model, optimizer), rng = trained(), np.random.Generator(np.random.MT19937(3))
    rng.random(3)
    train.save(tmp_path / name, model=model, optimizer=optimizer, rng=rng, epoch=3)
    expected = model.state_dict(), optimizer.state_dict(), rng.random(5), default_rng().random(5)

    other, other_rng = network(seed=1), np.random.Generator(np.random.MT19937(4))
    other_optimizer = optim.Adam(other.parameters(), lr=0.5)
    manual_seed(9)
    saved = train.load(tmp_path / name, model=other, optimizer=other_optimizer, rng=other_rng)
    assert saved["epoch"] == 3
    loaded = other.state_dict(), other_optimizer.state_dict(), other_rng.random(5)
    same((*loaded, default_rng().random(5)), expected)


def test_the_generators_of_layers_are_restored(tmp_path):
    model = nn.Sequential(nn.Tanh())
    model[0].rng = np.random.default_rng(5)
    train.save(tmp_path / "run.npz", model=model)
    expected = model[0].rng.random(3)
    train.load(tmp_path / "run.npz", model=model)
    np.testing.assert_array_equal(model[0].rng.random(3), expected)


def test_other_programs_read_the_arrays_under_their_names(tmp_path):
    from safetensors.numpy import load_file

    model = network()
    for name, read in (("a.npz", np.load), ("a.safetensors", load_file)):
        train.save(tmp_path / name, model=model)
        np.testing.assert_array_equal(
            read(tmp_path / name)["model.layers.2.weight"], model[2].weight.data
        )


@FORMATS
def test_no_byte_may_change_and_none_may_be_missing(tmp_path, name):
    path = tmp_path / name
    model, optimizer = trained()
    train.save(path, model=model, optimizer=optimizer)
    raw, before = path.read_bytes(), model.state_dict()
    for place in [*range(0, len(raw), 11), *range(100), *range(len(raw) - 100, len(raw))]:
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match="Nothing was loaded"):
            train.load(path, model=model, optimizer=optimizer)
    for length in [*range(0, len(raw), 29), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(CheckpointError, match="it was cut off or changed"):
            train.load(path, model=model, optimizer=optimizer)
    path.write_bytes(raw + b"\0")
    with pytest.raises(CheckpointError):
        train.load(path, model=model, optimizer=optimizer)
    same(model.state_dict(), before)


@FORMATS
def test_of_another_model_nothing_is_loaded(tmp_path, name):
    model, optimizer = trained()
    train.save(tmp_path / name, optimizer=optimizer, model=model, epoch=1)
    other = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1, bias=False))
    adam = optim.Adam(model.parameters())  # which fits, and is loaded first
    rng = default_rng()
    before = adam.state_dict(), other.state_dict(), rng.bit_generator.state
    with pytest.raises(CheckpointError, match="nothing was loaded") as error:
        train.load(tmp_path / name, optimizer=adam, model=other)
    for difference in ("layers.0.weight: shape (2, 3), expected (2, 4)", "unknown: layers.2.bias"):
        assert difference in str(error.value)
    same((adam.state_dict(), other.state_dict(), rng.bit_generator.state), before)

    with pytest.raises(CheckpointError, match="holds optimizer, model, epoch, and no scheduler"):
        train.load(tmp_path / name, scheduler=adam)
    with pytest.raises(TypeError, match="epoch is a int, which has no load_state_dict"):
        train.load(tmp_path / name, model=model, epoch=0)
    with pytest.raises(CheckpointError, match="optimizer: "):
        train.load(tmp_path / name, optimizer=optim.SGD(model.parameters(), momentum=0.5))
    with pytest.raises(CheckpointError, match="optimizer: "):
        train.load(tmp_path / name, model=model, optimizer=optim.Adam(other.parameters()))


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("it-ran",)


def test_a_pickle_is_refused_and_no_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.npz"
    array = np.array([Bomb()], dtype=object)

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="another kind of file"):
        train.load(path)
    np.savez(path, array=array)
    with pytest.raises(CheckpointError, match="another kind of file"):
        train.load(path)
    with monkeypatch.context() as patch:  # one with the right SHA-256
        write = np.lib.format.write_array
        patch.setattr(np.lib.format, "write_array", lambda f, x, **_: write(f, array))
        train.save(path, x=np.ones(2))
    with pytest.raises(CheckpointError, match="allow_pickle=False"):
        train.load(path)
    assert not (tmp_path / "it-ran").exists()

    train.save(path, x=1)
    with pytest.raises(TypeError, match="x is a Bomb, which a checkpoint cannot hold"):
        train.save(path, x=Bomb())
    with pytest.raises(TypeError, match="x is a ndarray"):
        train.save(path, x=array)
    assert train.load(path) == {"x": 1}


def test_a_save_that_fails_leaves_the_checkpoint_of_before(tmp_path, monkeypatch):
    train.save(tmp_path / "run.npz", x=1)
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.os, step, lambda *_: (_ for _ in ()).throw(OSError("full")))
            with pytest.raises(OSError, match="full"):
                train.save(tmp_path / "run.npz", x=2)
        assert train.load(tmp_path / "run.npz") == {"x": 1}
        assert os.listdir(tmp_path) == ["run.npz"]


def test_the_ending_says_the_format(tmp_path, monkeypatch):
    for call in (train.save, train.load):
        with pytest.raises(
            ValueError, match=r"a \.npz or \.safetensors file, and this is 'run.pt'"
        ):
            call(tmp_path / "run.pt")
    with pytest.raises(FileNotFoundError):
        train.load(tmp_path / "none.npz")
    train.save(tmp_path / "run.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (train.save, train.load):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call(tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match="every must be at least 1 batch, not 0"):
        train.Checkpoint("run.npz", every=0)


def start(folder, *moment):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), *map(str, moment)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_every_name_that_fit_saves_is_refused_in_a_checkpoint(tmp_path):
    model = nn.Linear(1, 1)
    sgd = optim.SGD(model.parameters(), lr=0.1)
    rows = np.ones((2, 1))
    train.fit(
        model, losses.mse_loss, sgd, train.batches(rows, rows, 1), epochs=1, progress=False,
        scheduler=optim.lr_scheduler.StepLR(sgd, 1), callbacks=[train.BestWeights(model, "lr")],
        checkpoint=train.Checkpoint(tmp_path / "run.npz"),
    )  # fmt: skip
    saved = list(train.load(tmp_path / "run.npz"))
    assert saved == ["model", "optimizer", "scheduler", "history", "data", "callback 0"]
    for name in saved:
        with pytest.raises(TypeError, match=f"fit saves {name} itself"):
            train.Checkpoint(tmp_path / "run.npz", **{name: model})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: train.Checkpoint(p / "a.npz", note="x"), TypeError, "note is a str, which has"),
        (lambda p: train.Checkpoint(p / "a.npz", loss=losses.mse_loss), TypeError, "loss is a fun"),
        (lambda p: train.Checkpoint(p / "a.pt"), ValueError, r"and this is 'a\.pt'"),
        (lambda p: train.Checkpoint(p / "no" / "a.npz"), FileNotFoundError, "no folder .*no"),
        (lambda p: train.Checkpoint(p / "a.npz", every=2.5), ValueError, "every .* not 2.5"),
        (lambda p: train.Checkpoint(p / "a.npz", every="2"), TypeError, "every .* not '2'"),
    ],
)
def test_a_wrong_checkpoint_is_refused_before_the_training(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        make(tmp_path)


def test_killed_at_twenty_moments_it_ends_as_if_it_was_not(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    reference = start(undisturbed)
    rng = np.random.default_rng(0)
    moments = ["half", "written", "renamed"] * 3 + [None] * 11
    reached = []
    for moment in rng.permutation(moments):
        run = start(killed, *([moment, rng.integers(1, 5)] if moment else []))
        if moment is None:
            run.stdout.readline()  # until it trains
            time.sleep(rng.uniform(0, 0.02))
            run.kill()
        run.communicate()
        assert run.returncode == -9
        if (killed / "run.npz").exists():
            history = train.load(killed / "run.npz")["history"]
            reached.append((len(history["train_loss"]), history["batches"]))
    assert reached == sorted(reached)
    assert len({batches for _, batches in reached}) > 2  # in the middle of epochs, too

    for run in (start(killed), reference):
        run.communicate()
        assert run.returncode == 0
    same(train.load(killed / "weights.npz"), train.load(undisturbed / "weights.npz"))
    assert train.load(killed / "weights.npz")["history"]["train_loss"][-1] < 0.5
