"""Checkpoints: bit for bit, whole or refused; a killed training ends as if it was not."""

import io
import json
import os
import pickle
import stat
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from drawn import IN_GATE
from interrupts import interrupted_at_every_line

from tinygrad_edu import Tensor, Value, losses, manual_seed, nn, optim, train
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

    with pytest.raises(CheckpointError, match="contains optimizer, model, epoch, and no scheduler"):
        train.load(tmp_path / name, scheduler=adam)
    with pytest.raises(TypeError, match="epoch is a int, which has no load_state_dict"):
        train.load(tmp_path / name, model=model, epoch=0)
    with pytest.raises(CheckpointError, match="optimizer: "):
        train.load(tmp_path / name, optimizer=optim.SGD(model.parameters(), momentum=0.5))
    with pytest.raises(CheckpointError, match="optimizer: "):
        train.load(tmp_path / name, model=model, optimizer=optim.Adam(other.parameters()))


def start_of(kind):
    """(object, what shows its state, a state of another) for each kind of object that loads."""
    model, optimizer = trained()
    if kind == "model":
        model = nn.Module()
        model.w, model.v = Tensor([1.0], requires_grad=True), Value(2.0)
        model.inner = nn.Module()
        model.arrays, model.inner.array = [(np.zeros(2),)], np.zeros(1)
        other = {name: x + 1 for name, x in model.state_dict().items()}
        return model, model.state_dict, other
    if kind == "optimizer":
        groups = [{"params": [p], "lr": 0.1 + i} for i, p in enumerate(model.parameters()[:2])]
        one, two = optim.Adam(groups), optim.Adam(groups, betas=(0.5, 0.6))
        for p in model.parameters():
            p.grad = np.ones(p.shape)
        two.step()
        two.lr = 7.0
        return one, one.state_dict, two.state_dict()
    if kind in ("cycle", "sequence"):
        optimizer = optim.SGD([optimizer.params[0]], momentum=0.5)
        if kind == "cycle":
            schedule = optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, 2)
        else:
            step = optim.lr_scheduler.StepLR(optimizer, 2)
            inner = optim.lr_scheduler.SequentialLR(optimizer, [step], [])
            schedule = optim.lr_scheduler.SequentialLR(optimizer, [inner], [])
        other = schedule.state_dict()
        for _ in range(3):
            schedule.step()
        return schedule, lambda: (schedule.state_dict(), optimizer.state_dict()), other
    if kind == "average":
        average = optim.EMA(model.parameters(), 0.5)
        other = [x + 1 for x in average.averages]
        return average, average.state_dict, {"decay": 0.9, "averages": other}
    data = [
        train.batches(np.arange(8.0), np.arange(8.0), 2, rng=np.random.default_rng(i))
        for i in (0, 1)
    ]
    next(iter(data[1]))
    return data[0], data[0].state_dict, data[1].state_dict()


@pytest.mark.parametrize("kind", ["model", "optimizer", "cycle", "sequence", "average", "batches"])
def test_ctrl_c_leaves_a_state_loaded_or_not_at_all(kind):
    x, look, other = start_of(kind)
    before = look()
    x.load_state_dict(other)
    after = look()
    assert repr(after) != repr(before)
    first = before[0] if isinstance(before, tuple) else before

    def check():
        assert repr(look()) in (repr(before), repr(after))
        x.load_state_dict(first)
        same(look(), before)

    check()

    assert interrupted_at_every_line(lambda: x.load_state_dict(other), check) > 5


def test_ctrl_c_while_a_wrong_state_is_refused_leaves_the_old_one():
    schedule, look, other = start_of("cycle")
    before = look()

    def action():
        with pytest.raises(ValueError, match="learning rate"):
            schedule.load_state_dict(other | {"base_lrs": [-1.0]})

    interrupted_at_every_line(action, lambda: same(look(), before))


@pytest.mark.parametrize("fits", [True, False])
def test_ctrl_c_in_load_leaves_all_or_none(tmp_path, monkeypatch, fits):
    def objects(seed, decay=0.5):
        model = nn.Module()
        model.w, rng = Tensor([float(seed)], requires_grad=True), np.random.default_rng(seed)
        data = train.batches(np.arange(4.0), np.arange(4.0), 2, rng=rng)
        next(iter(data))
        return {"model": model, "data": data, "average": optim.EMA([model.w], decay), "rng": rng}

    path = tmp_path / "run.npz"
    mine, other = objects(0), objects(1)
    if not fits:
        other["average"].averages.append(1.0)  # what does not fit is loaded after what does
    train.save(path, **other)
    content = checkpoint.read_checkpoint(path)
    monkeypatch.setattr(checkpoint, "read_checkpoint", lambda path: content)

    def look():
        return {name: checkpoint.state_of(x) for name, x in mine.items()}

    before, backup = repr(look()), look()
    manual_seed(5)
    package = repr(default_rng().bit_generator.state)

    def action():
        try:
            train.load(path, **mine)
        except CheckpointError:
            assert not fits

    def check():
        done = repr(look()) == repr({name: checkpoint.state_of(x) for name, x in other.items()})
        assert done or repr(look()) == before
        assert fits or not done
        assert (repr(default_rng().bit_generator.state) != package) == done
        for name, x in mine.items():
            checkpoint.restore(x, backup[name])
        manual_seed(5)

    assert interrupted_at_every_line(action, check) > 100


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
        path.write_bytes(checkpoint.sealed(checkpoint.to_npz("{}", {"x": np.ones(2)})))
        with pytest.raises(ValueError, match="could not be loaded again"):
            train.save(tmp_path / "other.npz", x=np.ones(2))
    with pytest.raises(CheckpointError, match="allow_pickle=False"):
        train.load(path)
    assert not (tmp_path / "other.npz").exists()
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


HOSTILE_NAMES = {
    "suffix": {"w": 0, "w.npy": 1, "w.npy.npy": 2, "w~2": 3},
    "dots": {"1.2": 0, 1: {2: 1}, "1.2~2": 2, "1": {"2": 3}},
    "types": {0: 0, "0": 1, 0.5: 2, "0.5": 3, True: 4, "True": 5, None: 6, "None": 7},
    "structure": {"json": 0, "json.npy": 1},
    "": {"": 0, ".": 1},
    "nul\0": {"a": 0, "a\0": 1, "a\0b": 2, "\ud800": 3, "\n": 4, "_": 5},
    "slash": {"/": 0, "\\": 1, "../x": 2, "/etc/x": 3, "C:": 4},
    "ä": {"ä": 0, "a\u0308": 1, "名": 2},
    "__metadata__": 7,
    "structure.json": 8,
    ".npy": 9,
}


def numbered(x):
    """x with an array for each whole number."""
    if isinstance(x, dict):
        return {key: numbered(y) for key, y in x.items()}
    return np.arange(3.0) + x


@FORMATS
def test_no_two_names_are_taken_for_one(tmp_path, name):
    from safetensors.numpy import load_file

    content = numbered(HOSTILE_NAMES)
    train.save(tmp_path / name, **content)
    same(train.load(tmp_path / name), content)

    arrays = {}  # and another program finds the same under each name
    checkpoint.pack(content, "", arrays)
    read = np.load if name.endswith("npz") else load_file
    others = read(tmp_path / name)
    for key, array in arrays.items():
        np.testing.assert_array_equal(others[key], array)
    assert len({array.tobytes() for array in arrays.values()}) == 10


def test_names_that_are_harmless_stay(tmp_path):
    train.save(tmp_path / "a.npz", model={"layers.0.weight": np.ones(1), "größe": np.ones(2)})
    names = ["structure.json", "model.layers.0.weight", "model.größe"]
    assert np.load(tmp_path / "a.npz").files == names


def test_two_generators_with_one_name_are_refused(tmp_path):
    first, second = nn.Module(), nn.Module()
    second.c, first.b = nn.Dropout(rng=np.random.default_rng(0)), nn.Module()
    first.b.c = nn.Dropout(rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"two generators would be saved as 'a\.b\.c\.rng'"):
        train.save(tmp_path / "run.npz", **{"a": first, "a.b": second})


def fields(n):
    return np.zeros(2, [(f"a_long_name_of_a_field_{i}", float) for i in range(n)])


@FORMATS
@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize(
    ("x", "error"),
    [
        (fields(500), ValueError),  # NumPy writes this header, and does not read it
        (np.zeros(2, [("größe", float), ("名", int)]), ValueError),
        (np.ma.masked_array([1.0, 2.0], [True, False]), TypeError),
        (np.frombuffer(checkpoint.PLACE.encode(), np.uint8), ValueError),
        (checkpoint.PLACE, ValueError),
    ],
)
def test_what_would_not_come_back_is_refused_and_the_old_file_stays(tmp_path, name, x, error):
    train.save(tmp_path / name, x=1)
    if name.endswith("safetensors") and getattr(x, "dtype", None) is not None and x.dtype.names:
        error = Exception  # that package refuses them itself
    with pytest.raises(error):
        train.save(tmp_path / name, x=x)
    assert train.load(tmp_path / name) == {"x": 1}
    assert os.listdir(tmp_path) == [name]


@FORMATS
def test_numbers_of_the_other_byte_order_come_back(tmp_path, name):
    x = np.array([1.0, -0.0, np.nan, 2.5], ">f8")
    train.save(tmp_path / name, x=x)
    np.testing.assert_array_equal(train.load(tmp_path / name)["x"], x)


def write_sealed(path, structure, arrays=None):
    """A file with the right SHA-256, whatever is in it."""
    encode = checkpoint.to_npz if path.suffix == ".npz" else checkpoint.to_safetensors
    path.write_bytes(checkpoint.sealed(encode(json.dumps(structure), arrays or {})))


EMPTY = {"dict": []}
MALFORMED = [
    {},
    [],
    1,
    {"objects": EMPTY},
    {"objects": EMPTY, "generators": EMPTY, "more": EMPTY},
    {"objects": 3, "generators": EMPTY},
    {"objects": [["x", 1]], "generators": EMPTY},
    {"objects": EMPTY, "generators": None},
    {"objects": {"dict": [[1, 2]]}, "generators": EMPTY},
    {"objects": {"dict": [1]}, "generators": EMPTY},
    {"objects": {"dict": [["x", {"array": "none"}]]}, "generators": EMPTY},
    {"objects": {"dict": [["x", {"array": [1]}]]}, "generators": EMPTY},
    {"objects": {"dict": [["x", {"set": [1]}]]}, "generators": EMPTY},
    {"objects": {"dict": [["x", {}]]}, "generators": EMPTY},
    {"objects": {"dict": [[{"dict": []}, 1]]}, "generators": EMPTY},
    {"objects": {"dict": [["optimizer", 1]]}, "generators": EMPTY},
    {"objects": {"dict": [["optimizer", {"dict": []}]]}, "generators": EMPTY},
    {"objects": {"dict": [["optimizer", []]]}, "generators": {"dict": [["", 1]]}},
]


@FORMATS
@pytest.mark.parametrize("structure", MALFORMED, ids=json.dumps)
def test_a_sealed_file_of_another_structure_is_refused(tmp_path, name, structure):
    _, optimizer = trained()
    before = optimizer.state_dict(), default_rng().bit_generator.state
    write_sealed(tmp_path / name, structure)
    with pytest.raises(CheckpointError, match=r"othing was loaded|contains .*no optimizer"):
        train.load(tmp_path / name, optimizer=optimizer)
    same((optimizer.state_dict(), default_rng().bit_generator.state), before)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state["param_groups"][0].update(lr=[1, 2]),
        lambda state: state["param_groups"][0].update(lr="fast"),
        lambda state: state["state"][0][0].update(m="ab"),
        lambda state: state.update(state=3),
    ],
)
def test_a_sealed_state_of_the_wrong_kind_is_refused(tmp_path, spoil):
    model, optimizer = trained()
    before, bad = optimizer.state_dict(), optimizer.state_dict()
    spoil(bad)
    train.save(tmp_path / "run.npz", optimizer=bad, model=model)
    with pytest.raises(CheckpointError, match="optimizer: "):
        train.load(tmp_path / "run.npz", model=model, optimizer=optimizer)
    same(optimizer.state_dict(), before)


def bombs():
    """Sealed files of about 100 kB that ask for far more memory."""

    def archive(compression, members):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as bomb:
            bomb.comment = checkpoint.PLACE.encode()
            bomb.writestr("structure.json", '{"objects": {"dict": []}, "generators": {"dict": []}}')
            for name, raw in members:
                bomb.writestr(name, raw)
        return file

    def npy(shape, raw):
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": shape}
        )
        return file.getvalue() + raw

    deflated = archive(zipfile.ZIP_DEFLATED, [("x.npy", npy((10**7,), bytes(8 * 10**7)))])
    promised = archive(zipfile.ZIP_STORED, [("x.npy", npy((10**7,), bytes(1000)))])
    single = archive(zipfile.ZIP_STORED, [("x.npy", npy((12500,), bytes(100000)))])
    overlapping = io.BytesIO(single.getvalue())
    with zipfile.ZipFile(overlapping, "a") as bomb:  # many names for one place in the file
        info = bomb.getinfo("x.npy")
        for i in range(1000):
            twin = zipfile.ZipInfo(f"x{i}.npy")
            for field in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(twin, field, getattr(info, field))
            bomb.filelist.append(twin)
        bomb._didModify = True
    return {"deflated": deflated, "promised": promised, "overlapping": overlapping}


@pytest.mark.parametrize("kind", ["deflated", "promised", "overlapping", "seal"])
def test_sizes_are_checked_before_memory_is_taken(tmp_path, kind):
    if kind == "seal":  # nothing, which is found between any two bytes
        path = tmp_path / "run.safetensors"
        header = json.dumps({"__metadata__": {"sha256": "", "structure.json": " " * 100000}})
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    else:
        path = tmp_path / "run.npz"
        raw = bombs()[kind].getvalue()
        path.write_bytes(raw.replace(checkpoint.PLACE.encode(), checkpoint.sha256(raw)))
    assert path.stat().st_size < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            train.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


SAVES = """
import sys, numpy as np
from tinygrad_edu import train
path, number = sys.argv[1], float(sys.argv[2])
print("ready", flush=True)
for _ in range(60):
    train.save(path, x=np.full(5000, number))
"""


def test_processes_that_save_to_one_path_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "run.npz"
    train.save(path, x=np.full(5000, 0.0))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVES, path, str(i)],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        for i in (1, 2)
    ]
    for writer in writers:
        writer.stdout.readline()
    seen = set()
    while any(writer.poll() is None for writer in writers):
        x = train.load(path)["x"]
        assert np.all(x == x[0])
        seen.add(x[0])
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 1
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_file_of_the_user_is_not_taken_for_a_temporary_one(tmp_path):
    path = tmp_path / "run.npz"
    others = "run.npz.tmp", ".checkpoint-notes.tmp", "run.tmp"
    for name in others:
        (tmp_path / name).write_text("mine")
    train.save(path, x=1)
    train.save(path, x=2)
    assert [(tmp_path / name).read_text() for name in others] == ["mine"] * 3
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "run.npz"])


def test_through_a_link_its_target_is_written(tmp_path):
    target, link = tmp_path / "there" / "best.npz", tmp_path / "run.npz"
    target.parent.mkdir()
    link.symlink_to("there/best.npz")
    for x in (1, 2):  # at first the target is not there
        train.save(link, x=x)
        assert link.is_symlink()
        assert train.load(target) == train.load(link) == {"x": x}
    assert os.listdir(target.parent) == ["best.npz"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    path, ordinary = tmp_path / "run.npz", tmp_path / "ordinary"
    before = os.umask(0o027)
    try:
        ordinary.touch()
        train.save(path, x=1)
        assert path.stat().st_mode == ordinary.stat().st_mode
        path.chmod(0o604)
        train.save(path, x=2)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_what_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "run.npz").mkdir()
    with pytest.raises(OSError, match=r"run\.npz"):
        train.save(tmp_path / "run.npz", x=1)
    with pytest.raises(FileNotFoundError, match=r"nowhere'$"):
        train.save(tmp_path / "nowhere" / "run.npz", x=1)
    path = tmp_path / "protected.npz"
    train.save(path, x=1)
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # who may do everything
        return
    with pytest.raises(PermissionError):
        train.save(path, x=2)
    assert train.load(path) == {"x": 1}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path):
    run = start(tmp_path, "half", 1)
    run.communicate()
    (left,) = os.listdir(tmp_path)
    assert left.endswith(".tmp")
    mine = left.replace(f"-{run.pid}-", f"-{os.getpid()}-")  # of a process that is alive
    elsewhere = left.replace(checkpoint.host(), "another-computer")
    for name in (mine, elsewhere):
        (tmp_path / name).touch()
    train.save(tmp_path / "run.npz", x=1)
    assert sorted(os.listdir(tmp_path)) == sorted([mine, elsewhere, "run.npz"])


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
    with pytest.raises(ValueError, match="every must be a whole number of at least 1, and it is 0"):
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
        (lambda p: train.Checkpoint(p / "a.npz", every=2.5), ValueError, "every .* is 2.5"),
        (lambda p: train.Checkpoint(p / "a.npz", every="2"), TypeError, "every .* not '2'"),
    ],
)
def test_a_wrong_checkpoint_is_refused_before_the_training(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        make(tmp_path)


# In the gate twenty kills, else five.
MOMENTS = ["half", "written", "renamed"] * (3 if IN_GATE else 1) + [None] * (11 if IN_GATE else 2)


def test_killed_at_many_moments_it_ends_as_if_it_was_not(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    reference = start(undisturbed)
    rng = np.random.default_rng(0)
    reached = []
    for moment in rng.permutation(MOMENTS):
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
    if IN_GATE:
        assert len({batches for _, batches in reached}) > 2  # in the middle of epochs, too

    for run in (start(killed), reference):
        run.communicate()
        assert run.returncode == 0
    same(train.load(killed / "weights.npz"), train.load(undisturbed / "weights.npz"))
    assert train.load(killed / "weights.npz")["history"]["train_loss"][-1] < 0.5
