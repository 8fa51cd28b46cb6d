"""The rule table, layers and losses on other array libraries: what works, and what says it cannot.

    python tests/test_array_libraries.py

writes array_libraries.json, with an outcome for each case and library:

works     forward, gradients and second derivatives are NumPy's numbers in the library's arrays
computes  as well, but a look at a number on the way computes what is lazy
dense     as well, but the library answers with some arrays of NumPy
signs     as well, but for the signs in a factorization, which it does not determine
raises    an error names the library and the function, or comes from the library itself
"""

import contextlib
import functools
import importlib.util
import inspect
import itertools
import json
import re
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import foreign
import numpy as np
import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes
from drawn import IN_GATE, long
from test_rules import at, name

from tinygrad_edu import (
    Tensor,
    functional,
    jacobian,
    kernels,
    losses,
    nn,
    optim,
    train,
    value_and_grad,
)
from tinygrad_edu.graph import plain
from tinygrad_edu.numpy_api.factorizations import packed_qr, packed_svd
from tinygrad_edu.optim.libraries import as_numpy

STORED = Path(__file__).parent / "array_libraries.json"
ROWS = test_rules.TABLE + test_rules_shapes.TABLE + test_rules_linalg.TABLE


# Libraries


def in_chunks_of_rows(x):
    """An array of Dask in two chunks of rows, if it has two rows."""
    import dask.array

    rows = (max(1, -(-x.shape[0] // 2)), *x.shape[1:]) if x.ndim else ()
    return dask.array.from_array(x, chunks=rows)


class Library(NamedTuple):
    module: str
    kind: str
    convert: object = None

    def array(self, x):
        return (self.convert or importlib.import_module(self.module).asarray)(np.array(x))

    @property
    def arrays(self):
        return getattr(importlib.import_module(self.module), self.kind)

    @property
    def version(self):
        package = importlib.import_module(self.module.partition(".")[0])
        return getattr(package, "__version__", "0")


LIBRARIES = {
    "foreign": Library("foreign", "Foreign"),
    "dask": Library("dask.array", "Array", in_chunks_of_rows),
    "sparse": Library("sparse", "COO", lambda x: importlib.import_module("sparse").COO(x)),
    "cupy": Library("cupy", "ndarray"),
}


def installed(library):
    """Skips, by the library's name, where it is not installed; cupy needs a GPU as well."""
    pytest.importorskip(LIBRARIES[library].module, reason=f"{library} is not installed")
    if library == "cupy" and not importlib.import_module("cupy").cuda.is_available():
        pytest.skip("cupy finds no GPU")
    return LIBRARIES[library]


# Cases: what is computed, and with what


class Case(NamedTuple):
    """A function of arrays, of which the first `tracked` get a gradient; or what makes a layer."""

    f: object
    arrays: list
    tracked: int
    is_layer: bool = False
    signs: bool = False


def of_row(row):
    return Case(row.f, at(row), len(row.shapes), signs=row.function in (packed_qr, packed_svd))


def of_layer(make, *shape):
    return Case(make, [np.random.default_rng(1).standard_normal(shape)], 1, is_layer=True)


X, Y = (np.random.default_rng(i).standard_normal((4, 3)) for i in (2, 3))
PROBABLE, CHANCES = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (X, Y))
CLASSES = np.array([2, 0, 1, 1])
SIGN = np.sign(Y)


def of_loss(loss, *arrays):
    tracked = sum(array.dtype.kind == "f" for array in arrays[:-1]) or 1
    return Case(loss, list(arrays), tracked)


def layers():
    of, image, rows = of_layer, (2, 4, 6, 6), (4, 6)
    found = {
        "Linear": of(lambda rng: nn.Linear(6, 2, rng=rng), *rows),
        "Conv1d": of(lambda rng: nn.Conv1d(4, 2, 3, rng=rng), 2, 4, 6),
        "Conv2d": of(lambda rng: nn.Conv2d(4, 2, 3, padding=1, rng=rng), *image),
        "ConvTranspose2d": of(lambda rng: nn.ConvTranspose2d(4, 2, 3, rng=rng), *image),
        "MaxPool1d": of(lambda rng: nn.MaxPool1d(2), 2, 4, 6),
        "MaxPool2d": of(lambda rng: nn.MaxPool2d(2), *image),
        "AvgPool1d": of(lambda rng: nn.AvgPool1d(2), 2, 4, 6),
        "AvgPool2d": of(lambda rng: nn.AvgPool2d(2), *image),
        "AdaptiveAvgPool2d": of(lambda rng: nn.AdaptiveAvgPool2d(3), *image),
        "BatchNorm1d": of(lambda rng: nn.BatchNorm1d(6), *rows),
        "BatchNorm2d": of(lambda rng: nn.BatchNorm2d(4), *image),
        "GroupNorm": of(lambda rng: nn.GroupNorm(2, 4), *image),
        "LayerNorm": of(lambda rng: nn.LayerNorm(6), *rows),
        "RMSNorm": of(lambda rng: nn.RMSNorm(6), *rows),
        "Dropout": of(lambda rng: nn.Dropout(0.5, rng), *rows),
        "Embedding": Case(
            lambda rng: nn.Embedding(5, 3, rng=rng), [np.array([4, 0, 4, 1])], 0, is_layer=True
        ),
        "RNNCell": of(lambda rng: nn.RNNCell(6, 2, rng=rng), *rows),
        "GRUCell": of(lambda rng: nn.GRUCell(6, 2, rng=rng), *rows),
        "LSTMCell": of(lambda rng: nn.LSTMCell(6, 2, rng=rng), *rows),
        "RNN": of(lambda rng: nn.RNN(3, 2, rng=rng), 4, 2, 3),
        "GRU": of(lambda rng: nn.GRU(3, 2, rng=rng), 4, 2, 3),
        "LSTM": of(lambda rng: nn.LSTM(3, 2, rng=rng), 4, 2, 3),
        "MultiheadAttention": of(
            lambda rng: Attending(nn.MultiheadAttention(6, 2, rng=rng)), 2, 3, 6
        ),
        "TransformerEncoderLayer": of(
            lambda rng: nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, rng=rng), 2, 3, 6
        ),
        "Sequential": of(
            lambda rng: nn.Sequential(nn.Flatten(), nn.Linear(12, 3, rng=rng), nn.ReLU()), 4, 3, 4
        ),
        "Flatten": of(lambda rng: nn.Flatten(), 4, 3, 2),
        "Identity": of(lambda rng: nn.Identity(), *rows),
        "Residual": of(lambda rng: nn.Residual(nn.Tanh()), *rows),
    }
    for kind in vars(nn).values():
        if inspect.isclass(kind) and kind.__module__.endswith("nn.activation"):
            found.setdefault(kind.__name__, of(lambda rng, kind=kind: kind(), *rows))
    return found


class Attending(nn.Module):
    """The attention of a sequence to itself."""

    def __init__(self, attention):
        self.attention = attention

    def __call__(self, x):
        return self.attention(x, x, x)


def losses_of_all_names():
    of = of_loss
    return {
        "mse_loss": of(losses.mse_loss, X, Y),
        "half_squared_error": of(losses.half_squared_error, X, Y),
        "l1_loss": of(losses.l1_loss, X, Y),
        "huber_loss": of(losses.huber_loss, X, Y),
        "smooth_l1_loss": of(losses.smooth_l1_loss, X, Y),
        "cross_entropy": of(losses.cross_entropy, X, CLASSES),
        "nll_loss": of(losses.nll_loss, np.log(PROBABLE), CLASSES),
        "categorical_cross_entropy": of(losses.categorical_cross_entropy, PROBABLE, CHANCES),
        "binary_cross_entropy": of(losses.binary_cross_entropy, PROBABLE, CHANCES),
        "binary_cross_entropy_with_logits": of(losses.binary_cross_entropy_with_logits, X, CHANCES),
        "kl_div": of(losses.kl_div, np.log(PROBABLE), CHANCES),
        "gaussian_nll_loss": of(losses.gaussian_nll_loss, X, Y, CHANCES),
        "hinge_loss": of(losses.hinge_loss, X, SIGN),
        "multi_margin_loss": of(losses.multi_margin_loss, X, CLASSES),
        "cosine_embedding_loss": of(losses.cosine_embedding_loss, X, Y, SIGN[:, 0]),
        "triplet_margin_loss": of(losses.triplet_margin_loss, X, Y, X * Y),
    }


@functools.cache
def cases():
    """Every case by its name; rows of one name are numbered."""
    found = {}
    for row in ROWS:
        title = unique = name(row)
        number = 1
        while unique in found:
            number += 1
            unique = f"{title} {number}"
        found[unique] = of_row(row)
    found |= {f"nn.{title}": case for title, case in layers().items()}
    return found | {f"losses.{title}": case for title, case in losses_of_all_names().items()}


# What comes out


def derivatives(case, library=None):
    """The results, the gradients, these as recorded, and the gradients of a projection of these."""
    convert = library.array if library else np.array
    xs = [convert(x) for x in case.arrays]
    leaves = [Tensor(x, requires_grad=True) for x in xs[: case.tracked]]
    inputs, f = [*leaves, *xs[case.tracked :]], case.f
    if case.is_layer:
        f = case.f(np.random.default_rng(0))
        if library:
            f.to(importlib.import_module(library.module))
        leaves += f.parameters()
    outs = tensors_in(f(*inputs))
    loss = sum((out * out).sum() for out in outs)
    loss.backward()  # the rules compute with arrays here, and with Tensors below
    first = [x.grad for x in leaves]
    for x in leaves:
        x.zero_grad()
    loss.backward(create_graph=True)
    recorded = [x.grad for x in leaves]
    for x in leaves:
        x.zero_grad()
    rng = np.random.default_rng(0)
    directions = [None if g is None else convert(rng.standard_normal(g.shape)) for g in first]
    projected = [(g * v).sum() for g, v in zip(recorded, directions, strict=True) if v is not None]
    total = sum(x for x in projected if x.requires_grad)
    if isinstance(total, Tensor):
        total.backward()
    second = [x.grad for x in leaves]
    return [[plain(x) for x in group] for group in (outs, first, recorded, second)]


def tensors_in(out):
    """A layer may answer with a Tensor, with several, or with None among them."""
    if isinstance(out, list | tuple):
        return [x for part in out for x in tensors_in(part)]
    return [] if out is None else [out]


def raised_by(error, library):
    """Whether a function of the library itself says what it lacks, in its own words."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return library in Path(frame.f_code.co_filename).parts


class Counting:
    """A scheduler of Dask that counts how often something is computed."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *args, **options):
        import dask

        self.calls += 1
        return dask.get(*args, **options)


def outcome(case, library):
    """How this case fares in a library. Raises AssertionError for a wrong number in silence."""
    scheduler, refused = Counting(), None
    with np.errstate(all="ignore"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        expected = derivatives(case)
        try:
            with lazily(library, scheduler):
                found = derivatives(case, library)
        except Exception as error:
            refused = error
    if refused:
        text = "\n".join([str(refused), *getattr(refused, "__notes__", [])]).lower()
        title = library.module.partition(".")[0]
        named = title in text or library.kind.lower() in text or raised_by(refused, title)
        assert named, f"it names no library: {refused!r}"
        return "raises"
    converting = [x for x in said if "is not implemented by Dask array" in str(x.message)]
    assert not converting, f"converted in silence: {converting[0].message}"
    arrays = [x for group in found for x in group if x is not None]
    dense = not all(isinstance(x, library.arrays) for x in arrays)
    signs = False
    for x, y in zip(flat(as_numpys(found)), flat(expected), strict=True):
        assert x.dtype == y.dtype
        signs = signs or (case.signs and not np.allclose(x, y))
        np.testing.assert_allclose(*((abs(x), abs(y)) if signs else (x, y)), rtol=1e-7, atol=1e-9)
    assert not dense or library.module == "sparse", "an array of another library comes out"
    return "signs" if signs else "computes" if scheduler.calls else "dense" if dense else "works"


def flat(groups):
    """The arrays in the groups; None, for no gradient, as an empty one."""
    return [np.empty(0) if x is None else x for group in groups for x in group]


def as_numpys(groups):
    """Everything as NumPy's, what is lazy in one go."""
    if "dask" in sys.modules:
        groups = sys.modules["dask"].compute(*groups, scheduler="sync")
    return [[None if x is None else np.asarray(as_numpy(x)) for x in group] for group in groups]


def lazily(library, scheduler):
    if library.module != "dask.array":
        return contextlib.nullcontext()
    import dask

    return dask.config.set(scheduler=scheduler)


def outcomes(library, names):
    """{case: outcome}, with what is wrong in place of an outcome."""
    found = {}
    for title in names:
        try:
            found[title] = outcome(cases()[title], library)
        except AssertionError as error:
            found[title] = f"WRONG: {error}"
    return found


def numbers(version):
    return [int(x) for x in version.split(".")[:3] if x.isdigit()]


@pytest.mark.parametrize("library", [x for x in LIBRARIES if x != "sparse"])
def test_each_row_layer_and_loss_fares_as_stored(library):
    compare(library, list(cases())[:: 1 if IN_GATE or library == "foreign" else 8])


@long  # its loops become machine code when they first run
def test_each_row_layer_and_loss_fares_as_stored_on_sparse_arrays():
    compare("sparse", cases())


def compare(title, names):
    """A row that stops working fails, and one that begins to work asks to be noted."""
    library, stored = installed(title), json.loads(STORED.read_text())
    noted = stored.get(title, stored["foreign"])  # a GPU's arrays are to fare as the foreign ones
    if numbers(library.version) < numbers(noted["version"]):
        pytest.skip(f"{title} {library.version} is older than {noted['version']}, which is noted")
    found = outcomes(library, names)
    differing = {x: (noted["outcomes"].get(x), found[x]) for x in names}
    differing = {x: pair for x, pair in differing.items() if len(set(pair)) > 1}
    assert differing == {}, f"python {Path(__file__).name} {title} would note them"


def test_every_row_layer_and_loss_is_in_the_stored_table():
    stored = json.loads(STORED.read_text())
    for title in ("foreign", "dask", "sparse"):
        noted = list(stored[title]["outcomes"])
        assert cases().keys() <= set(noted)
        assert noted == list(cases()) or not hasattr(np, "matvec")  # NumPy's are fewer before 2.2
    assert len([x for x in cases() if not x.startswith(("nn.", "losses."))]) == len(ROWS)
    assert {f"losses.{x}" for x in losses.__all__} <= cases().keys()
    modules = {x for x in nn.__all__ if inspect.isclass(getattr(nn, x))}
    modules -= {"MLP", "Layer", "Neuron", "Module", "ModuleList", "Summary"}  # of Values, of parts
    assert {f"nn.{x}" for x in modules} <= cases().keys()


def test_the_page_shows_what_is_stored():
    path = Path(__file__).parent.parent / "docs/make_arrays.py"
    spec = importlib.util.spec_from_file_location("make_arrays", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = script.page()
    assert page == script.PAGE.read_text(), "run docs/make_arrays.py"
    stored = json.loads(STORED.read_text())["dask"]["outcomes"]
    for case, x in stored.items():
        if x == "raises":
            title = re.split(r"[\[(]", case)[0]
            lines = [s for s in page.splitlines() if s.startswith(("| Works in part", "| Raises"))]
            assert any(f"`{title}`" in line for line in lines)


def test_a_wrong_number_a_silent_conversion_and_an_error_without_a_name_are_found(monkeypatch):
    """The table would notice: the outcome of three libraries that do it wrong."""
    case, library, wrap = cases()["exp[(2,3)]"], LIBRARIES["foreign"], foreign.wrap
    assert outcome(case, library) == "works"
    monkeypatch.setattr(foreign, "wrap", lambda x: x)
    with pytest.raises(AssertionError, match="an array of another library"):
        outcome(case, library)
    monkeypatch.setattr(foreign, "wrap", lambda x: wrap(x + 0.001 if np.ndim(x) == 2 else x))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        outcome(case, library)
    monkeypatch.setattr(foreign, "wrap", lambda x: 1 / 0)
    with pytest.raises(AssertionError, match="it names no library"):
        outcome(case, library)


def test_the_foreign_array_gives_no_memory_away():
    array = foreign.asarray(np.ones(3))
    with pytest.raises(AssertionError, match="looked inside"):
        np.asarray(array)
    with pytest.raises(AssertionError, match="looked inside"):
        np.array([array, array])


# Dask: several chunks, and nothing is computed before it is asked for


@pytest.fixture
def dask_array():
    return pytest.importorskip("dask.array", reason="dask is not installed")


@pytest.fixture
def scheduler(dask_array):
    """Counts what is computed inside of the test."""
    import dask

    counting = Counting()
    with dask.config.set(scheduler=counting):
        yield counting


@pytest.mark.parametrize(
    "f",
    [
        lambda x: functional.layer_norm(x, 6),
        lambda x: functional.rms_norm(x, 6),
        functional.softmax,
        lambda x: functional.batch_norm(x, None, None, training=True),
        lambda x: x[:, [0, 5, 0, 0]],
        lambda x: x[[3, 1, 3]],
        lambda x: x[:3, None, 1:] * x[1:, :, None][:, :1],
        lambda x: np.concatenate([x, 2 * x[1:]]),
    ],
)
def test_several_chunks_are_as_good_as_one(f, dask_array):
    data = np.random.default_rng(0).standard_normal((4, 6))
    for chunks in ((2, -1), (2, 3), (1, 4)):
        x, y = Tensor(data, True), Tensor(dask_array.from_array(data, chunks=chunks), True)
        for t in (x, y):
            (f(t) ** 3).sum().backward()
        np.testing.assert_allclose(as_numpy(y.grad), x.grad, rtol=1e-9, atol=1e-12)


def test_a_row_that_is_named_often_gets_all_its_gradients_on_dask(dask_array):
    rng = np.random.default_rng(0)
    rows, weights = rng.integers(5, size=40), rng.standard_normal((40, 2))
    for index, g in [(rows, weights), ([], np.empty((0, 2))), (np.array([4, -1, -5]), weights[:3])]:
        grads = []
        for data in (np.ones((5, 2)), dask_array.ones((5, 2), chunks=2)):
            x = Tensor(data, requires_grad=True)
            (x[index] * g).sum().backward()
            grads.append(as_numpy(x.grad))
        np.testing.assert_allclose(*grads, rtol=1e-12)


def test_a_loss_and_its_gradient_stay_lazy(dask_array, scheduler):
    logits, true = np.random.default_rng(0).standard_normal((6, 3)), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    gradients = []
    for data in (logits, dask_array.from_array(logits, chunks=(2, 3))):
        x = Tensor(data, requires_grad=True)
        for f in (lambda x: kernels.cross_entropy(x, true > 0), lambda x: (x[:2] ** 2).sum()):
            f(x).backward()
        assert type(x.grad) is type(data)
        gradients.append(x.grad)
    assert scheduler.calls == 0
    np.testing.assert_allclose(as_numpy(gradients[1]), gradients[0], rtol=1e-12)


def test_infinities_are_seen_on_dask_without_a_look_at_them(dask_array, scheduler):
    data = np.array([[0.0, np.inf, np.inf], [-np.inf, 1.0, -np.inf]])
    true = np.array([[False, True, False], [False, True, False]])
    mask = np.array([[True, False, True], [False, False, False]])
    for f in (
        lambda x: kernels.logsumexp(x).sum(),
        lambda x: kernels.soft_nll(x, true.astype(float)),
        lambda x: kernels.masked_softmax(np.where(np.isinf(x.data), 1.0, x), mask).sum(),
    ):
        grads = []
        for array in (data, dask_array.from_array(data, chunks=(1, 3))):
            x = Tensor(array, requires_grad=True)
            with np.errstate(all="ignore"):
                f(x).backward()
            grads.append(x.grad)
        assert scheduler.calls == 0
        np.testing.assert_array_equal(as_numpy(grads[1]), grads[0])
        scheduler.calls = 0


@pytest.mark.filterwarnings("ignore:The `numpy:FutureWarning")
@pytest.mark.parametrize(
    ("f", "named"),
    [
        (lambda t: np.cross(t, t), "cross of an array"),
        (np.sort, "argsort of an array"),
        (np.argsort, "argsort of an array"),
        (np.linalg.det, "det of an array"),
        (np.unique_values, "np.unique_values of an array"),
        (np.median, "median of an array"),
        (lambda t: np.linalg.norm(t, 2).backward(), "the derivative of the spectral norm"),
        (lambda t: t[np.array([[0, 1], [1, 0]])], "getitem of an array"),
    ],
)
def test_what_dask_lacks_is_an_error_that_names_it_and_dask_and_a_way(f, named, dask_array):
    """Dask itself would warn, compute the whole array and go on with NumPy's."""
    t = Tensor(dask_array.from_array(np.arange(9.0).reshape(3, 3), chunks=(2, 3)), True)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Dask has many
        f(t)
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert named in text
    assert "dask" in text
    assert re.search(
        r"(convert the array to NumPy|make an array of NumPy) first \(x\.compute\(\)\)", text
    )


def test_a_length_that_is_not_known_yet_is_an_error_with_two_ways(dask_array, scheduler):
    data = np.arange(12.0).reshape(4, 3)
    x = Tensor(dask_array.from_array(data, chunks=(2, 3)), requires_grad=True)
    seen = x.data[:, 0] > 2
    with pytest.raises(ValueError, match=r"\(nan, 3\).*dask.*compute_chunk_sizes\(\).*np\.where"):
        (x[seen] ** 2).sum().backward()
    assert scheduler.calls == 0
    rows = x[seen]
    rows.data.compute_chunk_sizes()
    for y in (rows, np.where(seen[:, None], x, 0)):
        x.zero_grad()
        (y**2).sum().backward()
        np.testing.assert_array_equal(as_numpy(x.grad), 2 * data * (data[:, :1] > 2))


def test_a_gradient_that_was_computed_at_once_is_refused(dask_array):
    x = Tensor(dask_array.ones(3), requires_grad=True)
    with pytest.raises(TypeError, match=r"backward of an array of shape .* of dask was computed"):
        x.accumulate(np.ones(3))


def test_a_gradient_to_start_from_enters_the_library_of_the_root(dask_array):
    for array in (dask_array.ones((2, 3), chunks=1), foreign.asarray(np.ones((2, 3)))):
        x = Tensor(array, requires_grad=True)
        (2 * x).backward(np.arange(6.0).reshape(2, 3))
        assert type(x.grad) is type(array)
        np.testing.assert_array_equal(as_numpy(x.grad), 2 * np.arange(6.0).reshape(2, 3))
        x.zero_grad()
        x.sum().backward()
        assert type(x.grad) is type(array)


def test_a_lazy_tensor_is_shown_without_being_computed(dask_array, scheduler):
    t = Tensor(dask_array.ones((1000, 1000)), requires_grad=True)
    assert "dask.array<" in repr(t)
    assert "dask.array&lt;" in t._repr_html_()
    assert scheduler.calls == 0
    assert (t * 2).sum().item() == 2e6
    assert repr(Tensor(foreign.asarray(np.ones(2)))) == "Tensor(Foreign(2,))"


def test_running_statistics_of_numpy_do_not_take_those_of_a_lazy_batch(dask_array, scheduler):
    model, x = nn.BatchNorm1d(3), dask_array.ones((4, 3), chunks=2)
    with pytest.raises(TypeError, match=r"move the model to .* model\.to\(dask\.array\)"):
        model(x)
    assert scheduler.calls == 0
    model.to(dask_array)(x)
    assert scheduler.calls == 0
    np.testing.assert_allclose(as_numpy(model.running_mean), 0.1)
    model.to(np).eval()(x)
    assert type(model.running_mean) is np.ndarray


def test_transforms_of_a_lazy_function_compute_nothing(dask_array, scheduler):
    x = np.arange(3.0)
    lazy = dask_array.from_array(x, chunks=1)
    found = value_and_grad(lambda x: (x**3).sum())(lazy), [jacobian(np.square)(lazy)]
    assert scheduler.calls == 0
    assert all(isinstance(y, dask_array.Array) for group in found for y in group)
    np.testing.assert_allclose(as_numpy(found[0][1]), 3 * x**2)
    np.testing.assert_allclose(as_numpy(found[1][0]), np.diag(2 * x))


@pytest.mark.filterwarnings("ignore:The `numpy:FutureWarning")
def test_an_answer_without_a_derivative_stays_lazy_or_is_refused(dask_array, scheduler):
    t = Tensor(dask_array.from_array(np.arange(6.0).reshape(2, 3), chunks=(1, 3)))
    for f in (np.isnan, np.sign, np.argmax, np.nonzero, lambda t: np.round(t, 1)):
        out = f(t)
        for part in out if isinstance(out, tuple) else (out,):
            assert isinstance(part, dask_array.Array)
    assert (np.shape(t), np.ndim(t), t.size) == ((2, 3), 2, 6)
    assert scheduler.calls == 0
    with pytest.raises(TypeError, match=r"size of an array of shape \(2, 3\) of dask was computed"):
        np.size(t)
    with pytest.raises(TypeError, match=r"array_equiv of an array .* and gave a bool"):
        np.array_equiv(t, t)


def test_an_index_that_is_lazy_itself_is_refused_in_the_backward_pass(dask_array, scheduler):
    x = Tensor(dask_array.ones(4, chunks=4), requires_grad=True)
    out = x[dask_array.from_array(np.array([0, 2]), chunks=2)]
    with pytest.raises(TypeError, match="needs an index that is one list of whole numbers"):
        out.sum().backward()
    assert scheduler.calls == 0


def test_float16_rows_are_added_up_in_a_wider_type_on_dask(dask_array):
    x = Tensor(dask_array.zeros(2, chunks=1, dtype=np.float16), requires_grad=True)
    (x[np.zeros(21, int)] * np.float16([2048] + [1] * 20)).sum().backward()
    assert x.grad.dtype == np.float16
    assert as_numpy(x.grad)[0] == 2068  # in float16, 2048 + 1 is 2048


@long
def test_a_network_takes_sparse_rows_and_its_gradients_are_numpys():
    sparse = pytest.importorskip("sparse", reason="sparse is not installed")
    rng = np.random.default_rng(0)
    data = rng.standard_normal((8, 4)) * (rng.random((8, 4)) < 0.3)
    grads = []
    for x in (data, sparse.COO.from_numpy(data)):
        model = perceptron()
        loss = losses.mse_loss(model(x), ROWS_Y[:8])
        loss.backward()
        grads.append([loss.data, *[p.grad for p in model.parameters()]])
    for g, expected in zip(*grads, strict=True):
        assert type(g) is type(expected)
        np.testing.assert_allclose(g, expected, rtol=1e-12)


# Module.to


def asarrays():
    """Array modules that are there."""
    found = [foreign]
    with contextlib.suppress(ImportError):
        found.append(importlib.import_module("dask.array"))
    return found


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.BatchNorm1d(4), nn.Linear(4, 6, rng=rng), nn.Tanh(), nn.Linear(6, 3, rng=rng)
    )


def perceptron():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(4, 6, rng=rng), nn.Tanh(), nn.Linear(6, 3, rng=rng))


def kinds(model):
    return {type(plain(x)) for _, x in model.named_state()}


@pytest.mark.parametrize("library", asarrays(), ids=lambda x: x.__name__)
def test_a_module_goes_to_a_library_and_back(library):
    model = network()
    before, parameters = model.state_dict(), model.parameters()
    assert model.to(library) is model
    assert kinds(model) == {type(library.asarray(np.ones(1)))}
    assert all(x is y for x, y in zip(model.parameters(), parameters, strict=True))
    state = model.state_dict()
    assert all(type(x) is np.ndarray for x in state.values())
    model.load_state_dict({name: x + 1 for name, x in state.items()})
    assert kinds(model) == {type(library.asarray(np.ones(1)))}
    model.to(np)
    assert kinds(model) == {np.ndarray}
    for path, x in model.named_state():
        np.testing.assert_array_equal(plain(x), before[path] + 1)
        assert plain(x).dtype == before[path].dtype


def test_what_is_no_array_module_is_refused_and_nothing_has_changed():
    model = network()
    for wrong in ("cuda", np.float32, json, None):
        with pytest.raises(TypeError, match=r"to\(\) takes an array module, such as numpy, cupy"):
            model.to(wrong)

    class Lists:
        __name__ = "lists"
        asarray = list

    with pytest.raises(TypeError, match=r"lists\.asarray gives a list, on which NumPy's functions"):
        model.to(Lists())
    assert kinds(model) == {np.ndarray}
    with pytest.raises(TypeError, match="a Value is a Python float"):
        nn.MLP(2, [1]).to(foreign)


OPTIMIZERS = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    *(
        lambda params, kind=kind: kind([p for p in params if p.ndim == 2 or kind is not optim.Muon])
        for kind in (getattr(optim, name) for name in optim.__all__)
        if inspect.isclass(kind)
        and issubclass(kind, optim.Optimizer)
        and kind not in (optim.Optimizer, optim.SGD)
    ),
]
ROWS_X = np.random.default_rng(0).standard_normal((12, 4))
ROWS_Y = np.random.default_rng(1).standard_normal((12, 3))


def trained(make, library, steps=3, clip=True):
    """The weights after some steps; the optimizer is made before the model moves."""
    model = network()
    optimizer = make(model.parameters())
    model.to(library)
    x, y = library.asarray(ROWS_X), library.asarray(ROWS_Y)
    norms = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = losses.mse_loss(model(x), y)
        loss.backward()
        train.compute(loss, model)
        if clip:
            norms.append(optim.clip_grad_norm_(model.parameters(), 0.5))
            optim.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
    assert all(type(norm) is float for norm in norms)
    assert kinds(model) == {type(library.asarray(np.ones(1)))}
    return [*model.state_dict().values(), *norms]


@pytest.mark.parametrize("library", asarrays(), ids=lambda x: x.__name__)
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_each_optimizer_makes_the_same_steps_in_every_library(make, library):
    for x, y in zip(trained(make, library), trained(make, np), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("library", asarrays(), ids=lambda x: x.__name__)
def test_a_large_parameter_is_moved_in_every_library(library):
    """NumPy's is updated in blocks of rows, which are no views elsewhere."""
    p = Tensor(library.asarray(np.ones((600, 500))), requires_grad=True)
    p.grad = library.asarray(np.full((600, 500), 2.0))
    optim.Adam([p], lr=0.5).step()
    np.testing.assert_allclose(as_numpy(p.data), 0.5)


@pytest.mark.parametrize("library", asarrays(), ids=lambda x: x.__name__)
def test_averages_of_weights_stay_in_their_library(library):
    averages = []
    for module in (np, library):
        p = Tensor(module.asarray(np.ones(3)), requires_grad=True)
        ema = optim.EMA([p], decay=0.5)
        p.data = p.data * 3
        ema.update()
        ema.load_state_dict(ema.state_dict())
        with ema.swapped():
            assert type(p.data) is type(module.asarray(np.ones(1)))
            averages.append(as_numpy(p.data))
    np.testing.assert_array_equal(*averages)
    np.testing.assert_array_equal(averages[0], 2)


@pytest.mark.parametrize("library", asarrays(), ids=lambda x: x.__name__)
def test_a_training_goes_on_from_a_checkpoint_in_another_library(library, tmp_path):
    """Two epochs in one library and two in another are four in NumPy; the file holds NumPy's."""

    def fitted(module, epochs, checkpoint):
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        model.to(module)
        data = train.batches(module.asarray(ROWS_X), module.asarray(ROWS_Y), 5, rng=rng())
        history = train.fit(
            model,
            losses.mse_loss,
            optimizer,
            data,
            (module.asarray(ROWS_X), module.asarray(ROWS_Y)),
            epochs=epochs,
            before_step=lambda: optim.clip_grad_norm_(model.parameters(), 1.0),
            callbacks=[train.BestWeights(model)],
            checkpoint=checkpoint,
            progress=False,
        )
        assert kinds(model) == {type(module.asarray(np.ones(1)))}
        return [*model.state_dict().values(), history.train_loss, history.validation_loss]

    def rng():
        return np.random.default_rng(3)

    expected = fitted(np, 4, None)
    for first, second in ((library, np), (np, library)):
        path = tmp_path / f"{first.__name__}.npz"
        fitted(first, 2, train.Checkpoint(path))
        with np.load(path) as file:
            assert file["model.layers.1.weight"].shape == (4, 6)
        for x, y in zip(fitted(second, 4, train.Checkpoint(path)), expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


def test_what_an_optimizer_remembers_follows_the_model():
    for library, make, load in itertools.product(asarrays(), OPTIMIZERS, (False, True)):
        weights = []
        for modules in ((np, library, np, library), (np,) * 4):
            model = nn.Linear(3, 2, rng=np.random.default_rng(0))
            optimizer = make(model.parameters())
            for scale, module in enumerate(modules, 1):
                model.to(module)
                if load and module is library:
                    optimizer.load_state_dict(optimizer.state_dict())
                    model.to(np).to(module)
                (model(module.asarray(np.ones((2, 3)))) ** 2 * scale).sum().backward()
                optimizer.step()
            weights.append(model.state_dict().values())
        for x, y in zip(*weights, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10)


# Loss and gradients in one pass


def test_a_block_that_loss_and_gradients_share_is_computed_once(dask_array):
    calls, lock = [], threading.Lock()

    def traced(block):
        with lock:
            calls.append(block.shape)
        return block * 2

    data = np.random.default_rng(0).standard_normal((12, 4))
    lazy = dask_array.from_array(data, chunks=(3, 4)).map_blocks(traced, meta=np.empty((0, 0)))
    for keep_lazy in (False, True):
        model, twin = perceptron(), perceptron()
        if keep_lazy:
            model.to(dask_array)
        loss = losses.mse_loss(model(lazy), ROWS_Y)
        loss.backward()
        calls.clear()
        number = train.compute(loss, model)
        assert calls == [(3, 4)] * 4
        expected = losses.mse_loss(twin(data * 2), ROWS_Y)
        expected.backward()
        assert number == pytest.approx(expected.item(), rel=1e-12)
        assert type(number) is float
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            assert isinstance(p.grad, dask_array.Array if keep_lazy else np.ndarray)
            np.testing.assert_allclose(as_numpy(p.grad), q.grad, rtol=1e-10, atol=1e-12)
        assert calls == [(3, 4)] * 4  # nor again when the gradients are looked at
        assert train.compute(expected, twin) == expected.item()


def test_a_step_with_a_lazy_gradient_of_numpys_parameter_is_refused(dask_array):
    for kind in (optim.SGD, optim.Adam):
        p = Tensor(np.ones(2), requires_grad=True, name="w")
        optimizer = kind([p])
        (dask_array.ones((3, 2)) * p).sum().backward()
        with pytest.raises(TypeError, match=r"the gradient of w of shape \(2,\) .* train\.compute"):
            optimizer.step()
        np.testing.assert_array_equal(p.data, 1)
        assert not any(map(np.any, optimizer.state[0][0]))


def test_fit_computes_each_batch_in_one_pass(dask_array, scheduler):
    model = nn.Linear(4, 3, rng=np.random.default_rng(0))
    batches = [(dask_array.from_array(ROWS_X, chunks=(3, 4)), ROWS_Y)] * 3
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    train.fit(model, losses.mse_loss, optimizer, batches, epochs=1, progress=False)
    assert scheduler.calls == 2 * 3  # one makes the pass, and one fetches what it made
    twin = nn.Linear(4, 3, rng=np.random.default_rng(0))
    other = optim.SGD(twin.parameters(), lr=0.1)
    train.fit(twin, losses.mse_loss, other, [(ROWS_X, ROWS_Y)] * 3, epochs=1, progress=False)
    np.testing.assert_allclose(model.weight.data, twin.weight.data, rtol=1e-12)


def test_fit_names_a_lazy_loss_that_is_not_finite(dask_array):
    model = nn.Linear(4, 3, rng=np.random.default_rng(0))
    x = dask_array.from_array(np.where(ROWS_X > 1.5, np.nan, ROWS_X), chunks=(3, 4))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1, batch 1"):
        train.fit(model, losses.mse_loss, optimizer, [(x, ROWS_Y)], epochs=1, progress=False)


if __name__ == "__main__":
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    for title in sys.argv[1:] or ["foreign", "dask", "sparse"]:
        library = LIBRARIES[title]
        stored[title] = {"version": library.version, "outcomes": outcomes(library, cases())}
        wrong = {k: x for k, x in stored[title]["outcomes"].items() if x.startswith("WRONG")}
        if wrong:
            sys.exit(f"{title} is not noted, mend these first: {json.dumps(wrong, indent=1)}")
        STORED.write_text(json.dumps(stored, indent=1) + "\n")
