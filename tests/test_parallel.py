"""Training in parts, here and on a cluster, gives the numbers of one process."""

import gc
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from unittest import mock

import numpy as np
import pytest
from drawn import IN_GATE

from tinygrad_edu import Tensor, Value, losses, manual_seed, nn, optim, train
from tinygrad_edu.functional import batch_norm, dropout
from tinygrad_edu.rng import default_rng
from tinygrad_edu.train import machines, parallel

SHARED = np.random.default_rng(0)  # a generator that no layer has
OUTSIDE = Tensor([2.0], requires_grad=True, name="outside")


def perceptron(**options):
    return nn.Sequential(nn.Linear(4, 8, **options), nn.Tanh(), nn.Linear(8, 2, **options))


def convolution():
    layers = nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3, 2)
    return nn.Sequential(Image(), *layers)


class Image(nn.Module):
    def __call__(self, x):
        return x.reshape(-1, 1, 2, 2)


class Recurrent(nn.Module):
    def __init__(self, **options):
        self.lstm = nn.LSTM(2, 5, batch_first=True, **options)
        self.out = nn.Linear(5, 2)

    def __call__(self, x):
        h, _ = self.lstm(x.reshape(-1, 2, 2))
        return self.out(h[:, -1])


def with_dropout():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.4), nn.Tanh(), nn.Linear(8, 2))


def fitted(model=perceptron, loss=losses.mse_loss, *, optimizer=None, epochs=2, rows=37, batch=10,
           dtype=float, targets=None, **options):  # fmt: skip
    """The weights, the history and the next random number after a training."""
    manual_seed(0)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((rows, 4)).astype(dtype)
    y = np.sin(x)[:, :2] if targets is None else targets(rng, rows)
    model = model()
    sgd = (optimizer or (lambda p: optim.SGD(p, lr=0.1, momentum=0.9)))(model.parameters())
    data = train.batches(x, y, batch)  # from the package's generator, as dropout
    history = train.fit(model, loss, sgd, data, epochs=epochs, progress=False, **options)
    return model.state_dict(), history.train_loss, default_rng().random()


def assert_equal(one, other):
    """Equal bit for bit."""
    assert one[0].keys() == other[0].keys()
    for name, x in one[0].items():
        assert x.tobytes() == other[0][name].tobytes(), name
    assert one[1:] == other[1:]


def assert_close(one, other, tolerance=1e-12):
    for name, x in one[0].items():
        np.testing.assert_allclose(other[0][name], x, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(other[1], one[1], rtol=tolerance)
    assert one[2] == other[2]  # it drew as many random numbers as one process


# In parts, here


@pytest.mark.parametrize("model", [perceptron, convolution, Recurrent])
@pytest.mark.parametrize("pieces", [1, 2, 4, 7, 50])
def test_the_sum_of_the_parts_is_the_whole(model, pieces):
    assert_close(fitted(model), fitted(model, parts=pieces))


@pytest.mark.parametrize("batch", [1, 3, 36, 37])
def test_batches_of_any_size(batch):
    assert_close(fitted(batch=batch, epochs=1), fitted(batch=batch, epochs=1, parts=4))


def classes(rng, rows):
    return np.sort(rng.integers(2, size=rows))


def ignoring(prediction, y):
    return losses.cross_entropy(prediction, np.where(np.arange(len(y)) % 3, y, -100))


def contrastive(prediction, y):
    """Each row against all others of the batch."""
    return losses.cross_entropy(prediction @ prediction.T, np.arange(len(y)))


LOSSES = {
    "a sum": lambda p, y: losses.cross_entropy(p, y, reduction="sum"),
    "weights of classes": lambda p, y: losses.cross_entropy(p, y, weight=[0.2, 3.0]),
    "rows that are ignored": ignoring,
    "pairs of rows": contrastive,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss_sees_the_whole_batch(loss):
    settings = {"loss": loss, "targets": classes, "epochs": 1}
    settings["optimizer"] = lambda p: optim.SGD(p, lr=0.01)
    assert_close(fitted(**settings), fitted(**settings, parts=4))


def test_a_loss_of_predictions_and_parameters():
    def run(**options):
        model = perceptron(rng=np.random.default_rng(3))

        def loss(prediction, y):
            return losses.mse_loss(prediction, y) + 0.01 * sum(
                (p**2).sum() for p in model.parameters()
            )

        return fitted(lambda: model, loss, **options)

    assert_close(run(), run(parts=3))


def test_single_precision_stays_single():
    def run(**options):
        return fitted(lambda: perceptron(dtype=np.float32), dtype=np.float32, **options)

    whole, pieces = run(), run(parts=3)
    assert all(x.dtype == np.float32 for x in pieces[0].values())
    assert_close(whole, pieces, 1e-4)


def test_what_has_no_gradient_gets_none():
    def model():
        layers = perceptron()
        layers.unused = Tensor([1.0], requires_grad=True)
        layers[0].weight.requires_grad = False
        return layers

    def decaying(parameters):
        return optim.AdamW(parameters, lr=0.1, weight_decay=0.1)

    whole, pieces = fitted(model, optimizer=decaying), fitted(model, optimizer=decaying, parts=3)
    assert_close(whole, pieces)
    assert pieces[0]["unused"] == 1.0


def test_hooks_validation_and_schedules_are_those_of_one_process():
    def run(**options):
        model, norms = perceptron(rng=np.random.default_rng(3)), []
        sgd = optim.SGD(model.parameters(), lr=0.1)
        rng = np.random.default_rng(1)
        x = rng.standard_normal((20, 4))
        history = train.fit(
            model, losses.mse_loss, sgd, train.batches(x, x[:, :2], 6, rng=rng), (x, x[:, :2]),
            epochs=2, progress=False, metrics={"size": lambda p, y: float(abs(p).max())},
            before_step=lambda: norms.append(optim.clip_grad_norm_(model.parameters(), 0.1)),
            scheduler=optim.lr_scheduler.StepLR(sgd, 1), **options,
        )  # fmt: skip
        return [
            *history.train_loss,
            *history.validation_loss,
            *history["size"],
            *history.lr,
            *norms,
        ]

    np.testing.assert_allclose(run(parts=3), run(), rtol=1e-12)


# Chance


@pytest.mark.parametrize(
    "model",
    [
        with_dropout,
        lambda: Recurrent(num_layers=2, dropout=0.3, rng=np.random.default_rng(5)),
        lambda: Recurrent(num_layers=2, dropout=0.3, rng=np.random.Generator(np.random.MT19937(5))),
    ],
    ids=["the package's generator", "one of the layer", "of another kind"],
)
def test_parts_draw_numbers_of_their_own_that_the_seed_decides(model):
    one = fitted(model, parts=3)
    assert_equal(one, fitted(model, parts=3))
    assert one[1] != fitted(model, parts=4)[1]


class Masks(nn.Module):
    """The masks of four dropout layers: two with the package's generator, two with another one."""

    def __init__(self):
        own = np.random.default_rng(0)
        self.layers = [nn.Dropout(0.5, rng) for rng in (None, default_rng(), own, own)]
        self.one = Tensor([1.0], requires_grad=True)

    def __call__(self, x):
        return self.one * np.stack([layer(x) for layer in self.layers], axis=1)


def test_each_layer_and_part_and_step_has_another_mask():
    manual_seed(0)
    compute = parallel.network(Masks(), None, 2)
    masks = [compute(np.ones((2, 64))).data.reshape(8, 64) for _ in range(3)]
    assert len({tuple(mask) for mask in np.concatenate(masks)}) == 3 * 2 * 4


SEEN = []  # generators that other threads get while a part is computed


class Asking(nn.Linear):
    def __call__(self, x):
        thread = threading.Thread(target=lambda: SEEN.append(default_rng()))
        thread.start()
        thread.join()
        return super().__call__(x)


def test_the_generator_of_a_part_is_that_of_its_thread_only():
    """Otherwise a worker in a thread that is still computing after Ctrl-C undoes manual_seed."""
    SEEN.clear()
    parallel.network(Asking(4, 2), None, 2)(np.ones((4, 4)))
    assert len(SEEN) >= 2
    assert all(generator is default_rng() for generator in SEEN)


def test_a_model_without_chance_draws_nothing():
    """So the rows come in the same order as in one process: the order uses the same generator."""
    assert fitted()[2] == fitted(parts=3)[2]
    assert fitted(with_dropout)[2] != fitted(with_dropout, parts=3)[2]


# What is refused


class Mixing(nn.Linear):
    """Its rows depend on each other."""

    def __call__(self, x):
        return super().__call__(batch_norm(x, None, None, training=True))


class MixingLater(nn.Linear):
    """Its rows depend on each other through a branch that is 0 at the start."""

    def __init__(self):
        super().__init__(4, 2)
        self.branch = Tensor(np.zeros(2), requires_grad=True)

    def __call__(self, x):
        out = super().__call__(x)
        return out + self.branch * out.mean(axis=0)


class Buffered(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.mean = np.zeros(4)

    def __call__(self, x):
        self.mean += x.mean(axis=0)
        return super().__call__(x)


class Counting(nn.Linear):
    calls = 0

    def __init__(self):
        super().__init__(4, 2)
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return super().__call__(x) / self.calls


class CountingInADict(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.calls = {"all": 0}

    def __call__(self, x):
        self.calls["all"] += 1
        return super().__call__(x) / self.calls["all"]


class CountingInNumPy(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.calls = np.int64(0)

    def __call__(self, x):
        self.calls += 1
        return super().__call__(x)


class Averaging(nn.Linear):
    """It uses the mean in eval mode only."""

    def __init__(self):
        super().__init__(4, 2)
        self.mean = Tensor(np.zeros(4))

    def __call__(self, x):
        if not self.training:
            return super().__call__(x - self.mean)
        self.mean = Tensor(x.mean(axis=0))
        return super().__call__(x)


class RememberingTheLast(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.last = None

    def __call__(self, x):
        out = super().__call__(x)
        before, self.last = self.last, out.data
        return out if before is None or len(before) != len(out) else out + before


class GeneratorInAList(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.rngs = [np.random.default_rng(0)]

    def __call__(self, x):
        return super().__call__(x) * self.rngs[0].random((len(x), 2))


class Clipping(nn.Linear):
    def __call__(self, x):
        self.weight.data = np.clip(self.weight.data, -0.01, 0.01)
        return super().__call__(x)


class Noisy(nn.Linear):
    def __call__(self, x):
        return super().__call__(x) + SHARED.standard_normal((len(x), 2))


class AlwaysNoisy(nn.Linear):
    def __call__(self, x):
        return dropout(super().__call__(x), 0.5, training=True)


class Two(nn.Linear):
    def __call__(self, x):
        return super().__call__(x), x


class Summed(nn.Linear):
    def __call__(self, x):
        return super().__call__(x).sum(axis=0)


class Borrowing(nn.Linear):
    def __call__(self, x):
        return super().__call__(x) * OUTSIDE


class Float(nn.Module):
    def __init__(self):
        self.slope = Value(1.0)

    def __call__(self, x):
        return x[:, :2] * self.slope


class Unsendable(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.lock = threading.Lock()


class Forgetful(nn.Linear):
    """Its copies begin anew."""

    def __reduce__(self):
        return Forgetful, (4, 2)


REFUSED = [
    (lambda: nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)), "layers.1 is a BatchNorm1d, which"),
    (lambda: Mixing(4, 2), "the prediction of 10 rows differs in 2 parts. Either the rows"),
    (MixingLater, "the gradient of branch of 10 rows differs in 2 parts"),
    (Buffered, "mean changes when Buffered computes"),
    (Counting, "calls changes when Counting computes"),
    (lambda: Noisy(4, 2), "or it draws from a generator that is not an attribute"),
    (lambda: AlwaysNoisy(4, 2), "AlwaysNoisy draws random numbers also in eval mode"),
    (lambda: Two(4, 2), "must return one Tensor, and Two returns a tuple"),
    (
        lambda: Summed(4, 2),
        r"one row for each row of x, and Summed returns shape \(2,\) for x of shape \(5, 4\)",
    ),
    (lambda: Borrowing(4, 2), r"computes with outside of shape \(1,\), which is not one of"),
    (Float, "slope is a Value of a float: in parts, all parameters must be Tensors"),
    (lambda: Forgetful(4, 2), "a pickled copy of Forgetful has other parameters"),
    (Unsendable, "Unsendable cannot be copied with pickle for its parts: .*lock"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED)
def test_a_model_whose_parts_are_not_the_whole_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        fitted(model, parts=2)


REMEMBERING = [
    (CountingInADict, "CountingInADict gives another prediction when it computes the same rows"),
    (RememberingTheLast, "RememberingTheLast"),
    (GeneratorInAList, "or it draws from a generator that is not an attribute of a layer"),
    (CountingInNumPy, "calls changes when CountingInNumPy computes"),
    (Averaging, "mean changes when Averaging computes"),
    (lambda: Clipping(4, 2), "weight changes when Clipping computes"),
]


@pytest.mark.parametrize(("model", "message"), REMEMBERING)
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_model_that_remembers_is_refused_in_any_number_of_parts(model, message, pieces):
    """Also in one part: the change is lost with the copy of the model."""
    with pytest.raises(ValueError, match=message):
        fitted(model, parts=pieces)


class Late(nn.Linear):
    """Its rows depend on each other after a while."""

    mixing = False

    def __call__(self, x):
        out = super().__call__(x)
        return out + out.mean(axis=0) if self.mixing else out


def test_what_becomes_wrong_later_is_refused_later():
    def mix():
        model.mixing = True  # what a hook changes in a model goes to the parts as well

    model = Late(4, 2)
    with pytest.raises(ValueError, match="the prediction of 10 rows differs"):
        fitted(lambda: model, parts=2, epochs=3, after_step=mix)


class Frozen(nn.BatchNorm1d):
    """It stays in eval mode while the other layers are trained."""

    training = property(lambda self: False, lambda self, mode: None)


def test_a_frozen_batch_norm_is_taken():
    def model():
        return nn.Sequential(nn.Linear(4, 2), Frozen(2))

    assert_close(fitted(model), fitted(model, parts=2))


class NanInAPart(nn.Linear):
    def __call__(self, x):
        return super().__call__(x) + np.where(len(x) < 10, np.nan, 0.0)


def test_a_part_that_is_not_finite_where_the_whole_is(recwarn):
    with pytest.raises(ValueError, match="the prediction of 10 rows differs in 2 parts"):
        fitted(lambda: NanInAPart(4, 2), parts=2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parts": 0}, ValueError, "parts must be a whole number of at least 1, and it is 0"),
        ({"parts": 2.5}, ValueError, "parts must be a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        fitted(**options)


def test_data_that_cannot_be_cut_is_refused():
    model = perceptron()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    x = np.ones((2, 4))
    for wrong, message in [
        ([[1.0] * 4], r"x is a list of shape \(1, 4\).*np\.asarray"),
        (np.float64(1.0), r"of shape \(\)"),
        (Tensor(x, requires_grad=True), "x requires a gradient"),
    ]:
        with pytest.raises(ValueError, match=message):
            train.fit(model, losses.mse_loss, sgd, [(wrong, x)], epochs=1, parts=2, progress=False)


def test_a_masked_array_is_refused_as_in_one_process():
    model = perceptron()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    x = np.ma.masked_array(np.ones((2, 4)), mask=True)
    for options in {}, {"parts": 2}:
        with pytest.raises(TypeError, match="a masked array is not supported"):
            train.fit(
                model, losses.mse_loss, sgd, (x, np.ones((2, 2))), epochs=1, progress=False,
                **options,
            )  # fmt: skip


# Errors are those of one process


def caught(**options):
    with warnings.catch_warnings(action="ignore"), pytest.raises(Exception) as error:  # noqa: PT011
        fitted(**options)
    return error.type, str(error.value)


def of_another_shape(rng, rows):
    return np.ones((rows, 3))


def exploding():
    model = perceptron(rng=np.random.default_rng(0))
    model[0].weight.data[0, 0] = np.nan
    return model


class Log(nn.Module):
    def __call__(self, x):
        return np.log(x)


def logarithmic():
    return nn.Sequential(nn.Linear(4, 2), Log())


def mismatched():
    return nn.Sequential(nn.Linear(4, 8), nn.Linear(7, 2))


ERRORS = {
    "nan": {"model": exploding},
    "nan of the model": {"model": logarithmic},
    "of the loss": {"targets": of_another_shape},
    "of the model": {"model": mismatched},
    "no loss": {"loss": lambda p, y: 1.0},
}


@pytest.mark.parametrize("options", ERRORS.values(), ids=ERRORS)
def test_errors_are_those_of_one_process(options):
    assert caught(**options) == caught(**options, parts=3)


def test_the_origin_of_a_nan_is_told():
    kind, message = caught(model=logarithmic, parts=3)
    assert kind is FloatingPointError
    assert "not finite is log of an array of shape (10, 2)" in message


# Checkpoints


class StoppedError(Exception):
    pass


def stopping(after):
    def count():
        left.pop()
        if not left:
            raise StoppedError

    left = [None] * after
    return count


def through_a_checkpoint(path, first, second, model=with_dropout):
    """A training that is stopped in its second epoch, and resumed with other options."""
    saved = {"checkpoint": train.Checkpoint(path, every=1), "epochs": 3, "model": model}
    with pytest.raises(StoppedError):
        fitted(**saved, after_step=stopping(6), **first)
    return fitted(**saved, **second)


def test_a_run_in_parts_goes_on_from_a_checkpoint_bit_for_bit(tmp_path):
    there = {"parts": 3}
    assert_equal(
        fitted(with_dropout, epochs=3, **there),
        through_a_checkpoint(tmp_path / "run.npz", there, there),
    )


@pytest.mark.parametrize("first", [{}, {"parts": 3}])
def test_between_parts_and_one_process_the_state_goes_over(tmp_path, first):
    second = {} if first else {"parts": 3}
    resumed = through_a_checkpoint(tmp_path / "run.npz", first, second, perceptron)
    assert_close(fitted(epochs=3), resumed)


# On a cluster


@contextmanager
def local_cluster(**options):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    options = {"threads_per_worker": 1, "dashboard_address": None, **options}
    with (
        warnings.catch_warnings(action="ignore"),
        mock.patch.dict(os.environ),  # Dask leaves settings of malloc there
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def started():
    """A function that returns a client of four workers, a new one if workers have died for good."""
    with ExitStack() as stack:
        clients = []

        def client():
            with suppress(Exception):  # without clients, or with a nanny that gave up
                clients[-1].wait_for_workers(4, timeout=20)
                return clients[-1]
            stack.close()
            clients.append(stack.enter_context(local_cluster(n_workers=4)))
            return clients[-1]

        yield client


@pytest.fixture
def client(started):
    """Four living workers. After the test, no task or result is left on them."""
    client = started()
    yield client
    assert_nothing_is_left(client)


def assert_nothing_is_left(client):
    def left():
        on_workers = client.run(lambda dask_worker: len(dask_worker.data), on_error="ignore")
        tasks = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return sum(on_workers.values()) + tasks

    end = time.monotonic() + 30
    while left():
        assert time.monotonic() < end
        time.sleep(0.1)


OPTIMIZERS = [lambda p: optim.Adam(p, lr=0.01), lambda p: optim.RMSprop(p, lr=0.01)]


@pytest.mark.parametrize(
    ("model", "optimizer"), [(perceptron, None), *zip([convolution, Recurrent], OPTIMIZERS)]
)
def test_four_workers_train_as_one_process(client, model, optimizer):
    settings = {"model": model, "optimizer": optimizer, "epochs": 1}
    there = fitted(**settings, cluster=client)
    assert_close(fitted(**settings), there)
    assert_equal(fitted(**settings, parts=4), there)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_parts_decide_the_numbers_and_the_workers_do_not(workers):
    with local_cluster(n_workers=workers, processes=False) as client:
        assert_close(fitted(epochs=1), fitted(epochs=1, cluster=client))
        there = fitted(with_dropout, epochs=1, cluster=client, parts=3)
    assert_equal(fitted(with_dropout, epochs=1, parts=3), there)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss_on_a_cluster(client, loss):
    settings = {"loss": loss, "targets": classes, "epochs": 1, "rows": 13}
    settings["optimizer"] = lambda p: optim.SGD(p, lr=0.01)
    assert_equal(fitted(**settings, parts=4), fitted(**settings, cluster=client))


def test_a_model_that_draws_needs_a_number_of_parts(client):
    with pytest.raises(ValueError, match=r"layers\.1 \(Dropout\) draws .* give parts=4,"):
        fitted(with_dropout, cluster=client)


def test_workers_in_threads_give_the_same_numbers():
    with local_cluster(processes=False, n_workers=1, threads_per_worker=4) as client:
        there = fitted(with_dropout, epochs=1, cluster=client, parts=4)
    assert_equal(fitted(with_dropout, epochs=1, parts=4), there)


def test_the_parameters_travel_once_a_step_and_the_rows_once(client, monkeypatch):
    sent = []
    submit = machines.Cluster.submit

    def noting(self, function, *args, **options):
        arrays = [x.nbytes if isinstance(x, np.ndarray) else 0 for x in args]
        sent.append((function.__name__, sum(arrays)))
        return submit(self, function, *args, **options)

    monkeypatch.setattr(machines.Cluster, "submit", noting)
    monkeypatch.setattr(parallel, "check_parts", lambda *args: None)
    for _ in range(5):
        sent.clear()
        fitted(rows=32, batch=16, epochs=2, cluster=client)
        if "predict_and_differentiate" not in dict(sent):
            break  # else Dask has moved a task to another worker, and a step was computed again
    steps = 4
    names = [name for name, _ in sent]
    assert {name: names.count(name) for name in set(names)} == {
        "copy_of": steps, "predict": 4 * steps, "differentiate": 4 * steps, "add": steps,
    }  # fmt: skip
    assert sum(size for _, size in sent) == steps * 16 * 8 * (4 + 2)  # x, and g of the prediction


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_a_worker_are_those_of_one_process(client, name):
    assert caught(**ERRORS[name], cluster=client) == caught(**ERRORS[name])


def test_an_error_that_only_a_worker_has_says_so(client):
    home = os.getpid()

    class Elsewhere(nn.Linear):
        def __call__(self, x):
            if os.getpid() != home:
                raise KeyError("not on this machine")
            return super().__call__(x)

    with pytest.raises(KeyError) as error:
        fitted(lambda: Elsewhere(4, 2), cluster=client)
    (note,) = error.value.__notes__
    assert note.startswith("This error was raised for a part of the batch.")


def test_workers_with_other_code_are_noticed(client):
    home = os.getpid()

    class Version(nn.Linear):
        def __call__(self, x):
            return super().__call__(x) * (1.0 if os.getpid() == home else 1.001)

    with pytest.raises(ValueError, match="or the workers have another version of the code"):
        fitted(lambda: Version(4, 2), cluster=client)


@pytest.mark.parametrize("other", ["tcp://127.0.0.1:8786", 4, None])
def test_what_is_no_client_is_refused(client, other):
    with pytest.raises(TypeError, match=r"cluster must be a distributed\.Client"):
        fitted(cluster=client.cluster if other is None else other)


def test_without_dask_an_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[cluster\]"'):
        fitted(cluster=object())


def test_trainings_on_one_cluster_at_the_same_time(client, monkeypatch):
    dask = pytest.importorskip("dask", reason="dask.distributed is not installed")

    def run(seed, **options):
        rng = np.random.default_rng(seed)
        model = nn.Sequential(nn.Linear(4, 2, rng=rng), nn.Dropout(0.3, rng=rng))
        x = rng.standard_normal((20, 4))
        sgd = optim.SGD(model.parameters(), lr=0.1)
        data = train.batches(x, x[:, :2], 5, rng=rng)
        train.fit(
            model, losses.mse_loss, sgd, data, epochs=2, progress=False, parts=4, **options
        )  # fmt: skip
        return model[0].weight.data

    def slowly(*args, **options):
        time.sleep(0.005)  # so that two threads submit at the same time
        return submit(*args, **options)

    submit = client.submit
    monkeypatch.setattr(client, "submit", slowly)
    before = dask.config.get("distributed.admin.large-graph-warning-threshold")
    with ThreadPoolExecutor(3) as pool:
        there = list(pool.map(lambda seed: run(seed, cluster=client), range(3)))
    assert all(np.array_equal(run(seed), x) for seed, x in enumerate(there))
    assert dask.config.get("distributed.admin.large-graph-warning-threshold") == before


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_a_checkpoint_goes_from_a_cluster_to_one_process_and_back(client, tmp_path, first, second):
    def place(there):
        return {"cluster": client, "parts": 3} if there else {"parts": 3}

    resumed = through_a_checkpoint(tmp_path / "run.npz", place(first), place(second))
    assert_equal(fitted(with_dropout, epochs=3, parts=3), resumed)


# Deaths


class Slow(nn.Linear):
    """Takes some time, so that a worker can be killed while it computes."""

    def __call__(self, x):
        time.sleep(0.02)
        return super().__call__(x)


def slow():
    return nn.Sequential(nn.Dropout(0.2), Slow(4, 8), nn.Tanh(), nn.Linear(8, 2))


def kill(client, i):
    """Kill a worker, unless it is the last one. Its nanny, in this process, starts a new worker.

    Kill only a worker that the scheduler knows and that its nanny sees as running. A nanny gives
    up if its worker dies during its start.
    """
    known = client.nthreads()
    nannies = [
        nanny
        for nanny in client.cluster.workers.values()
        if nanny.worker_address in known and nanny.process.status.name == "running"
    ]
    if len(nannies) > 1 and (pid := nannies[i % len(nannies)].pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")


@posix
def test_workers_that_die_one_by_one_change_nothing(client):
    steps = iter(range(100))

    def killing():
        if (i := next(steps)) in (1, 2, 3):
            assert kill(client, i)

    there = fitted(slow, cluster=client, parts=4, before_step=killing)
    assert next(steps) == 8
    assert_equal(fitted(slow, parts=4), there)


@posix
def test_a_worker_that_dies_between_prediction_and_gradient(client):
    """Its graph is lost, and the part is computed again."""
    killed = []

    def loss(prediction, y):
        if len(killed) < 2 and kill(client, 0):
            killed.append(True)
        return losses.mse_loss(prediction, y)

    there = fitted(slow, loss, cluster=client, parts=4)
    assert len(killed) == 2
    assert_equal(fitted(slow, parts=4), there)


KILLS = 20 if IN_GATE else 4


@posix
def test_kills_at_random_times_change_nothing(client):
    rng, done, kills = np.random.default_rng(0), threading.Event(), []

    def killing():
        tries = 0
        while len(kills) < KILLS and not done.wait(rng.uniform(0.0, 0.3)):
            tries += 1
            if kill(client, int(rng.integers(4))):
                kills.append(time.monotonic())
                tries = 0
            elif tries % 20 == 0:  # some nannies have given up
                client.cluster.scale(len(client.cluster.worker_spec) + 1)

    def until_all_are_dead(history):
        return len(kills) == KILLS

    killer = threading.Thread(target=killing)
    killer.start()
    try:
        there = fitted(slow, epochs=1000, cluster=client, parts=4, callbacks=[until_all_are_dead])
    finally:
        done.set()
        killer.join()
    assert len(kills) == KILLS
    assert_equal(fitted(slow, epochs=len(there[1]), parts=4), there)


@posix
def test_a_part_that_kills_its_workers_is_an_error():
    home = os.getpid()

    class Deadly(nn.Linear):
        def __call__(self, x):
            if os.getpid() != home:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(x)

    dask = pytest.importorskip("dask", reason="dask.distributed is not installed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),  # else four deaths a try
        local_cluster(n_workers=1) as client,
        pytest.raises(RuntimeError, match=r"every worker that computed this part .* died"),
    ):
        fitted(lambda: Deadly(4, 2), cluster=client)


def test_without_workers_an_error_comes_in_the_end(monkeypatch):
    monkeypatch.setattr(machines, "PATIENCE", 1.5)
    message = r"the cluster has had no worker for 1\.5 seconds"
    with local_cluster(n_workers=1, processes=False) as client:
        with pytest.raises(RuntimeError, match=message):
            fitted(cluster=client, after_step=lambda: client.cluster.scale(0))
        with pytest.raises(RuntimeError, match=message):
            fitted(cluster=client)


def test_a_scheduler_that_is_gone_is_an_error(monkeypatch):
    monkeypatch.setattr(machines, "PATIENCE", 5.0)
    message = r"the client is clos|does not answer|has lost its tasks"
    with (
        local_cluster(processes=False, n_workers=1) as client,
        pytest.raises(RuntimeError, match=message),
    ):
        fitted(cluster=client, after_step=client.cluster.close)


def test_ctrl_c_releases_the_tasks(client):
    class Slowest(nn.Linear):
        def __call__(self, x):
            time.sleep(2)
            return super().__call__(x)

    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as error:
        fitted(lambda: Slowest(4, 2), cluster=client, parts=8)
    assert time.monotonic() - before < 3
    timer.join()
    assert_nothing_is_left(client)
    assert error.tb  # it still refers to all variables, as in a notebook
    del error
    gc.collect()  # now: Python 3.11 can fail if finalizers run while it reads source
