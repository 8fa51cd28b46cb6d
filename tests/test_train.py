"""Batches, the loop, and what hangs in it."""

import gc
import sys
import tracemalloc
import weakref

import numpy as np
import pandas as pd
import pytest

from tinygrad_edu import Tensor, Value, kernels, losses, nn, optim, train
from tinygrad_edu.train import BestWeights, EarlyStopping, History, accuracy, batches, fit, split

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10)


def line(seed=0):
    """A linear model, and data on a line."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((24, 2))
    return nn.Linear(2, 1, rng=rng), x, x @ [[1.0], [-2.0]] + 0.5


# Data.


def test_batches_are_all_rows_once_in_a_new_order_every_epoch():
    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    epochs = [list(data), list(data)]
    assert [len(x) for x, _ in epochs[0]] == [4, 4, 2]
    assert len(data) == 3
    orders = [np.concatenate([y for _, y in epoch]) for epoch in epochs]
    for epoch, order in zip(epochs, orders, strict=True):
        np.testing.assert_array_equal(np.concatenate([x for x, _ in epoch]), X[order])
        np.testing.assert_array_equal(np.sort(order), Y)
    assert not np.array_equal(*orders)
    again = batches(X, Y, 4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(np.concatenate([y for _, y in again]), orders[0])


def test_batches_in_order_and_without_the_small_one():
    data = batches(Tensor(X), [*Y], 4, shuffle=False, drop_last=True)
    assert [y.tolist() for _, y in data] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(data) == 2


def test_an_iteration_that_is_left_begins_anew_unless_its_state_was_loaded():
    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    next(iter(data))
    state = data.state_dict()
    rest = state["order"][4:].tolist()
    assert len(list(data)) == 3
    other = batches(X, Y, 4)
    other.load_state_dict(state)
    assert np.concatenate([y for _, y in other]).tolist() == rest
    data.load_state_dict(state)
    list(data)
    np.testing.assert_array_equal(next(iter(data))[1], next(iter(other))[1])
    with pytest.raises(
        ValueError, match="these are 10 rows in batches of 5, and the saved position is"
    ):
        batches(X, Y, 5).load_state_dict(state)


LABELS = [7, 7, 3, 9, 0, 1, 2, 8, 5, 4]  # of rows: not in order, and one of them twice


def one_row_frame(index):
    return pd.DataFrame(X, index=index, columns=["a", "b"]), pd.Series(Y, index=index)


@pytest.mark.parametrize("index", [LABELS, LABELS[::-1], list("zyxwvutsrq"), None])
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_are_positions_whatever_their_labels(index, shuffle):
    x, y = one_row_frame(index)
    for pair in [(x, y), (X, y), (x, Y), (x["b"], y), (x, y.to_frame()), (x, y.astype("Int64"))]:
        plain_pair = [np.asarray(part) for part in pair]
        ours = batches(*pair, 3, shuffle, rng=np.random.default_rng(0))
        expected = batches(*plain_pair, 3, shuffle, rng=np.random.default_rng(0))
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
            assert {type(part) for part in one} == {np.ndarray}
        ours = split(*pair, rng=np.random.default_rng(0))
        expected = split(*plain_pair, rng=np.random.default_rng(0))
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


def test_a_frame_is_trained_on_as_its_array_is():
    x, y = one_row_frame(LABELS)
    weights = []
    for pair in [(x, y.to_frame()), (X, Y[:, None])]:
        model = nn.Linear(2, 1, rng=np.random.default_rng(0))
        sgd = optim.SGD(model.parameters(), lr=1e-3)
        data = batches(*pair, 4, rng=np.random.default_rng(1))
        fit(model, losses.mse_loss, sgd, data, epochs=2, progress=False)
        weights.append(model.weight.data)
    np.testing.assert_array_equal(*weights)


def test_every_iteration_of_batches_is_one_of_its_own():
    data = batches(X, Y, 4, shuffle=False)
    whole = [y.tolist() for _, y in data]
    assert [(y.tolist(), z.tolist()) for (_, y), (_, z) in zip(data, data, strict=True)] == list(
        zip(whole, whole, strict=True)
    )
    seen = [(y.tolist(), z.tolist()) for _, y in data for _, z in data]
    assert seen == [(y, z) for y in whole for z in whole]

    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    first, second = iter(data), iter(data)
    both = [np.concatenate([next(first)[1], next(second)[1]]) for _ in range(3)]
    for rows in (both[0][:4], both[1][:4], both[2][:2]), (both[0][4:], both[1][4:], both[2][2:]):
        assert sorted(np.concatenate(rows)) == Y.tolist()
    assert next(first, None) is next(second, None) is None


def test_the_state_of_batches_is_that_of_the_iteration_begun_last():
    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    outer = iter(data)
    next(outer), next(outer)
    inner = iter(data)
    next(inner)
    state = data.state_dict()
    next(outer)
    assert next(outer, None) is None
    np.testing.assert_equal(data.state_dict(), state)
    other = batches(X, Y, 4)
    other.load_state_dict(state)
    rests = [np.concatenate([y for _, y in rest]).tolist() for rest in (inner, other)]
    assert rests[0] == rests[1]
    assert len(rests[0]) == 6


def test_the_state_of_batches_shares_no_memory_with_them():
    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    next(iter(data))
    state = data.state_dict()
    rest = state["order"][4:].tolist()
    data.load_state_dict(state)
    state["order"][:] = 0
    data.state_dict()["order"][:] = 0
    assert np.concatenate([y for _, y in data]).tolist() == rest


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("order", [0] * 10), ("order", np.linspace(0, 9, 10)), ("position", 4), ("position", -1)],
)
def test_a_state_that_is_no_place_in_the_rows_is_refused(name, wrong):
    data = batches(X, Y, 4, rng=np.random.default_rng(0))
    before = data.state_dict()
    with pytest.raises(ValueError, match="is impossible: there are 10 rows in 3 batches"):
        data.load_state_dict(before | {"rng": np.random.PCG64(1).state, name: wrong})
    np.testing.assert_equal(data.state_dict(), before)


def test_split_deals_the_rows():
    (x_train, y_train), (x_held, y_held) = split(X, Y, 0.3, rng=np.random.default_rng(0))
    assert (len(x_train), len(x_held)) == (7, 3)
    assert sorted([*y_train, *y_held]) == Y.tolist()
    np.testing.assert_array_equal(x_train, X[y_train])
    np.testing.assert_array_equal(x_held, X[y_held])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batches(X, Y[:9], 2), r"x has shape \(10, 2\), y has shape \(9,\)"),
        (lambda: batches(X[:0], Y[:0], 2), "at least one: x has shape"),
        (lambda: batches(1.0, 2.0, 2), "the same number of rows"),
        (lambda: batches(X, Y, 0), "batch_size must be a whole number of at least 1, and it is 0"),
        (lambda: batches(X, Y, 2.5), "is 2.5"),
        (lambda: batches(X, Y, 11, drop_last=True), "there are 10 rows, and batch_size is 11"),
        (lambda: split(X, Y[:9]), r"y has shape \(9,\)"),
        (lambda: split(X, Y, 1.0), "validation=1.0 splits 10 rows into 0 for training"),
        (lambda: split(X, Y, 0.01), "10 for training and 0 for validation"),
        (lambda: EarlyStopping(0), "patience must be a whole number of at least 1"),
    ],
)
def test_bad_data_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The loop.


def test_fit_is_the_loop_that_one_writes_by_hand():
    (model, x, y), (by_hand, _, _) = line(), line()
    data = batches(x, y, 10, rng=np.random.default_rng(1))
    history = fit(
        model,
        losses.mse_loss,
        optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        data,
        validation=(x, y),
        epochs=3,
        metrics={"largest error": lambda prediction, y: np.abs(prediction - y).max()},
        progress=False,
    )
    data, means = batches(x, y, 10, rng=np.random.default_rng(1)), []
    optimizer = optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        total = 0.0
        for x_batch, y_batch in data:
            loss = losses.mse_loss(by_hand(x_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.data) * len(x_batch)
        means.append(total / len(x))
    np.testing.assert_array_equal(model.weight.data, by_hand.weight.data)
    assert history.train_loss == means
    assert history.lr == [0.1] * 3
    assert history.validation_loss[-1] == losses.mse_loss(model(x), y).data
    assert history["largest error"][-1] == np.abs(model(x).data - y).max()
    assert len(history) == 3


def test_validation_is_in_eval_mode_and_records_no_graph():
    seen = []

    class Spy(nn.Linear):
        def __call__(self, x):
            out = super().__call__(x)
            seen.append((self.training, out.requires_grad))
            return out

    model, frozen = Spy(2, 1), nn.Tanh()
    model.inside = frozen

    def freeze(history):
        frozen.training = frozen.training and len(history) > 1

    data = (X, Y[:, None] / 10)
    sgd = optim.SGD(model.parameters(), lr=1e-3)
    fit(model, losses.mse_loss, sgd, data, data, epochs=2, callbacks=[freeze], progress=False)
    assert seen == [(True, True), (False, False)] * 2
    assert model.training
    assert not frozen.training


class Halving:
    """A schedule that halves the learning rate."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self):
        self.optimizer.lr /= 2


class Plateau:
    """A schedule that is told how well it goes."""

    def __init__(self):
        self.told = []

    def step(self, metrics):
        self.told.append(metrics)


@pytest.mark.parametrize(("per_batch", "lrs"), [(False, [0.1, 0.05]), (True, [0.025, 0.00625])])
def test_a_scheduler_steps_every_epoch_or_every_batch(per_batch, lrs):
    model, x, y = line()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    history = fit(
        model, losses.mse_loss, sgd, batches(x, y, 12), epochs=2, progress=False,
        scheduler=Halving(sgd), scheduler_per_batch=per_batch,
    )  # fmt: skip
    assert history.lr == lrs


def test_a_plateau_scheduler_gets_the_validation_loss_or_else_the_training_loss():
    model, x, y = line()
    sgd, told = optim.SGD(model.parameters(), lr=0.01), []
    for validation in ((x[:3], y[:3]), None):
        plateau = Plateau()
        history = fit(
            model, losses.mse_loss, sgd, (x, y), validation, epochs=2, scheduler=plateau,
            progress=False,
        )  # fmt: skip
        told.append((plateau.told, history.validation_loss, history.train_loss))
    assert told[0][0] == told[0][1]
    assert told[1][0] == told[1][2]


def test_hooks_stand_before_and_after_the_step():
    model, x, y = line()
    before = model.weight.data.copy()
    order = []

    def no_gradient():
        order.append("before")
        for p in model.parameters():
            p.grad = p.grad * 0

    def after():
        order.append("after")

    sgd = optim.SGD(model.parameters(), lr=1.0)
    fit(
        model, losses.mse_loss, sgd, batches(x, y, 12), epochs=1, progress=False,
        before_step=no_gradient, after_step=after,
    )  # fmt: skip
    np.testing.assert_array_equal(model.weight.data, before)
    assert order == ["before", "after"] * 2


def test_early_stopping_and_best_weights():
    model, x, y = line()
    best, seen = BestWeights(model, "score", "max"), []
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.9])  # best at the second
    history = fit(
        model,
        losses.mse_loss,
        optim.SGD(model.parameters(), lr=0.01),
        (x, y),
        (x, y),
        epochs=6,
        metrics={"score": lambda prediction, y: next(scores)},
        callbacks=[
            best,
            EarlyStopping(2, "score", "max"),
            lambda history: seen.append(model.state_dict()),
        ],
        progress=False,
    )
    assert history.metrics["score"] == pytest.approx([0.1, 0.5, 0.4, 0.5])
    assert history.stopped
    assert len(seen) == 4  # every callback is called in the last epoch
    best.restore()
    np.testing.assert_array_equal(model.weight.data, seen[1]["weight"])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([NAN, 2.0, 1.0, NAN], {"min": 2, "max": 1}),
        ([2.0, NAN, 1.0], {"min": 2, "max": 0}),
        ([NAN, INF, NAN, -INF], {"min": 3, "max": 1}),
        ([NAN, INF], {"min": 1, "max": 1}),
        ([NAN, -INF], {"min": 1, "max": 1}),
        ([NAN, NAN], {"min": 0, "max": 0}),
        ([1.0, NAN, 1.0], {"min": 0, "max": 0}),
    ],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_worse_than_any_number(scores, best, mode):
    model, x, y = line()
    weights, sequence = [], iter(scores)
    keep = BestWeights(model, "score", mode)
    history = fit(
        model,
        losses.mse_loss,
        optim.SGD(model.parameters(), lr=0.01),
        (x, y),
        (x, y),
        epochs=len(scores),
        metrics={"score": lambda prediction, y: next(sequence)},
        callbacks=[keep, lambda history: weights.append(model.state_dict())],
        progress=False,
    )
    assert history.best_epoch("score", mode) == best[mode]
    keep.restore()
    np.testing.assert_array_equal(model.weight.data, weights[best[mode]]["weight"])
    waited = len(scores) - 1 - best[mode]
    assert EarlyStopping(waited + 1, "score", mode)(history) is False
    if waited:
        assert EarlyStopping(waited, "score", mode)(history) is True


def test_values_are_trained_too():
    model = nn.MLP(2, [4, 1], rng=np.random.default_rng(0))
    x = [[0.0, 1.0], [1.0, 0.0]]
    y = [1.0, -1.0]

    class Rows(nn.Module):
        def __init__(self):
            self.net = model

        def __call__(self, rows):
            return [self.net(row) for row in rows]

    def loss(predictions, y):
        return sum((p - t) ** 2 for p, t in zip(predictions, y, strict=True))

    sgd = optim.SGD(model.parameters(), lr=0.05)
    history = fit(Rows(), loss, sgd, (x, y), (x, y), epochs=40, progress=False)
    assert history.train_loss[-1] < 0.1 * history.train_loss[0]
    assert isinstance(history.train_loss[0], float)
    assert isinstance(model.parameters()[0], Value)


class Net(nn.Module):
    def __init__(self):
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 1)

    def __call__(self, x):
        return self.second(np.log(self.first(x)))


def poison_data(model, x):
    x[5, 0] = np.nan


def poison_weight(model, x):
    model.second.weight.data[1, 0] = np.inf


def negative_logarithm(model, x):
    model.first.bias.data[:] = -1e6


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (
            poison_data,
            "linear of an array of shape (4, 2) (not finite), first.weight of shape (2, 3), "
            "first.bias of shape (3,)",
        ),
        (
            poison_weight,
            "It was there before this batch: second.weight of shape (3, 1) (not finite)",
        ),
        (negative_logarithm, "log of an array of shape (4, 3)"),
    ],
)
def test_a_loss_that_is_not_finite_stops_and_says_where(poison, message):
    model, x = Net(), np.ones((8, 2))
    model.first.weight.data[:] = 1.0
    model.first.bias.data[:] = 0.0
    data = batches(x, np.ones((8, 1)), 4, shuffle=False)
    weights = []

    def callback(history):
        if len(history) == 2:
            poison(model, data.x)
            weights.append(model.state_dict())

    sgd = optim.SGD(model.parameters(), lr=0.003)
    where = "epoch 3, batch 2," if poison is poison_data else "epoch 3, batch 1,"
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError) as error,
    ):
        fit(model, losses.mse_loss, sgd, data, epochs=4, callbacks=[callback], progress=False)
    assert message in str(error.value)
    assert f"{where} at learning rate 0.003" in str(error.value)
    if poison is not poison_data:  # no step was made with it
        np.testing.assert_array_equal(model.first.bias.data, weights[0]["first.bias"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number of at least 0, and it is -1"),
        ({"epochs": 1.5}, "epochs must be a whole number of at least 0, and it is 1.5"),
        ({"metrics": {"accuracy": accuracy}}, "give validation="),
        ({"train_data": iter([(X, X)])}, "gave no batch in epoch 2"),
        ({"validation": iter([])}, "the validation data gave no batch"),
        ({"checkpoint": train.Checkpoint("a.npz", every=2)}, "from batches"),
        ({"checkpoint": "a.npz"}, r"train\.Checkpoint\(path\), and this is 'a\.npz'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    model = nn.Linear(2, 2)
    sgd = optim.SGD(model.parameters(), lr=1e-4)
    settings = {"train_data": [(X, X)], "epochs": 3, "progress": False} | settings
    with pytest.raises((ValueError, KeyError, TypeError), match=message):
        fit(model, losses.mse_loss, sgd, **settings)


SCORE = {"validation": (X, X), "metrics": {"score": accuracy}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            lambda: {"callbacks": [EarlyStopping(1)]},
            "EarlyStopping watches 'validation_loss', and this training records train_loss, lr",
        ),
        (
            lambda: SCORE | {"callbacks": [BestWeights(nn.Linear(2, 2), "scroe")]},
            "BestWeights watches 'scroe', and .* train_loss, lr, validation_loss, score",
        ),
        (lambda: {"callbacks": [print, 3]}, "callback 1 must be a function, and it is 3"),
        (lambda: {"before_step": 0.5}, r"before_step must be a function, and it is 0\.5"),
        (lambda: {"after_step": optim.EMA([Tensor(1.0)])}, "after_step must be a function, and it"),
        (lambda: {"scheduler": 0.1}, "scheduler must have a step.., and it is 0.1"),
        (lambda: SCORE | {"metrics": {"score": "accuracy"}}, "metric 'score' must be a function"),
        (lambda: SCORE | {"metrics": {"loss": accuracy}}, "a metric cannot be called 'loss'"),
        (lambda: SCORE | {"metrics": {"lr": accuracy}}, "a metric cannot be called 'lr'"),
        (lambda: {"callbacks": [EarlyStopping(2.5)]}, "patience must be .* is 2.5"),
        (lambda: {"callbacks": [EarlyStopping(np.nan)]}, "patience must be .* is nan"),
        (lambda: {"callbacks": [EarlyStopping(np.inf)]}, "patience must be .* is inf"),
        (lambda: {"callbacks": [BestWeights([1.0])]}, "model must be a Module, and it is a list"),
    ],
)
def test_a_wrong_callback_is_refused_before_the_training(settings, message):
    def untouched(prediction, y):
        raise AssertionError("the training has begun")

    model = nn.Linear(2, 2).eval()
    sgd = optim.SGD(model.parameters())
    with pytest.raises((ValueError, TypeError), match=message):
        fit(model, untouched, sgd, (X, X), **{"epochs": 1, "progress": False} | settings())
    assert not model.training


def test_callbacks_may_come_from_a_generator():
    seen = []
    model = nn.Linear(2, 2)
    sgd = optim.SGD(model.parameters(), lr=1e-4)
    callbacks = (call for call in [lambda history: seen.append(len(history))])
    fit(model, losses.mse_loss, sgd, (X, X), epochs=2, callbacks=callbacks, progress=False)
    assert seen == [1, 2]


def test_a_metric_called_loss_does_not_take_its_place():
    with pytest.raises(ValueError, match="a metric cannot be called 'loss'"):
        train.evaluate(nn.Linear(2, 2), losses.mse_loss, (X, X), {"loss": accuracy})


@pytest.mark.parametrize("result", [None, 1.0])
def test_a_loss_without_a_graph_is_refused(result):
    model = nn.Linear(2, 2)
    sgd = optim.SGD(model.parameters())
    with pytest.raises(TypeError, match="loss must return a Tensor or a Value with its graph"):
        fit(model, lambda prediction, y: result, sgd, (X, X), epochs=1, progress=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda mode: EarlyStopping(1, mode=mode),
        lambda mode: BestWeights(nn.Linear(1, 1), mode=mode),
    ],
)
def test_an_unknown_mode_is_refused_before_the_training(make):
    with pytest.raises(ValueError, match="mode must be one of min, max, and it is 'least'"):
        make("least")


def test_the_state_of_the_best_weights_shares_no_memory_with_them():
    model, x, y = line()
    best = BestWeights(model, "train_loss")
    sgd = optim.SGD(model.parameters(), lr=0.1)
    fit(model, losses.mse_loss, sgd, (x, y), epochs=1, callbacks=[best], progress=False)
    expected, state = model.weight.data.copy(), best.state_dict()
    best.load_state_dict(state)
    state["weight"][:] = 0
    best.state_dict()["weight"][:] = 0
    best.restore()
    np.testing.assert_array_equal(model.weight.data, expected)


def test_there_are_no_best_weights_before_the_first_epoch():
    with pytest.raises(RuntimeError, match="is this among the callbacks of fit"):
        BestWeights(nn.Linear(1, 1)).restore()


def test_a_loss_that_is_an_infinity_on_purpose_says_so():
    model = nn.Linear(2, 2)
    sgd = optim.SGD(model.parameters())
    with pytest.raises(FloatingPointError, match="Every infinity in it was written in a call"):
        fit(model, lambda p, y: np.sum(np.where(False, p, np.inf)), sgd, (X, X), epochs=1)


def test_a_mask_is_not_where_a_loss_went_wrong():
    class Causal(nn.Linear):
        def __call__(self, x):
            scores = np.where(np.tri(2, dtype=bool), super().__call__(x), -np.inf)
            return np.log(np.max(scores, axis=1))

    model = Causal(2, 2)
    model.weight.data[:] = -1.0
    sgd = optim.SGD(model.parameters())
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match="first node that is not finite is log of"),
    ):
        fit(model, losses.mse_loss, sgd, (X[:2], X[:2, 0]), epochs=1, progress=False)


def test_accuracy():
    assert accuracy(np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]), np.array([1, 0, 0])) == 2 / 3


# Checkpoints in the loop. tests/test_checkpoint.py kills whole processes.


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize("last", [1, 3, 4, 6])
def test_a_training_that_stops_goes_on_from_its_checkpoint(tmp_path, last):
    """Interrupted after `last` of the 2 * 4 batches, in the middle and at the end of an epoch."""

    def training(path, after_step=None):
        model, x, y = line()
        rng = np.random.default_rng(5)
        adam = optim.Adam(model.parameters(), lr=0.1)
        best = BestWeights(model, "train_loss")
        history = fit(
            model,
            losses.mse_loss,
            adam,
            batches(x, y, 7, rng=rng),
            (x, y),
            epochs=2,
            callbacks=[best],
            after_step=after_step,
            checkpoint=train.Checkpoint(path, every=2),
            progress=False,
        )
        return model.state_dict(), adam.state_dict(), best.best, vars(history), rng.random()

    steps = []

    def interrupt():
        steps.append(1)
        if len(steps) > last:
            raise InterruptionError

    expected = training(tmp_path / "undisturbed.npz")
    with pytest.raises(InterruptionError):
        training(tmp_path / "run.npz", interrupt)
    assert repr(training(tmp_path / "run.npz")) == repr(expected)
    assert repr(training(tmp_path / "run.npz", interrupt)) == repr(expected)  # nothing is left


def test_a_training_that_was_stopped_early_stays_stopped(tmp_path):
    for _ in range(2):
        model, x, y = line()
        history = fit(
            model, losses.mse_loss, optim.SGD(model.parameters(), lr=0.1), (x, y), epochs=5,
            callbacks=[lambda history: len(history) == 2],
            checkpoint=train.Checkpoint(tmp_path / "run.npz"), progress=False,
        )  # fmt: skip
        assert len(history) == 2


# What is shown.


def short(progress=True):
    model, x, y = line()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    return fit(model, losses.mse_loss, sgd, batches(x, y, 6), (x, y), epochs=2, progress=progress)


def test_without_a_terminal_there_is_a_line_for_each_epoch(capsys):
    short()
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert [text.split("  ")[0] for text in lines] == ["epoch 1", "epoch 2"]
    assert [text.split()[0] for text in lines[1].split("  ")] == [
        "epoch",
        "loss",
        "validation",
        "lr",
    ]
    assert out.err == ""
    short(progress=False)
    assert capsys.readouterr().out == ""
    assert str(History()) == "no epoch yet"


def test_in_a_terminal_there_is_a_bar_if_tqdm_is_there(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    short()
    out = capsys.readouterr()
    assert out.out == ""
    assert "8/8" in out.err
    assert "epoch 2  loss" in out.err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    short()
    assert capsys.readouterr().out.startswith("epoch 1")


def test_a_history_draws_itself(tmp_path):
    pytest.importorskip("matplotlib")
    history = short(progress=False)
    history.metrics["accuracy"] = [0.5, 0.75]
    history.lr[1] = 0.05
    axes = history.plot(tmp_path / "history.png").axes
    assert (tmp_path / "history.png").stat().st_size > 1000
    labels = [axis.get_ylabel() for axis in axes]
    assert labels == ["loss", "metric", "learning rate"]
    assert axes[-1].get_xlabel() == "epoch"
    training, validation = axes[0].lines
    assert training.get_ydata().tolist() == history.train_loss
    assert validation.get_label() == "validation"


# Memory.


def test_memory_stays_flat_without_the_garbage_collector():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((800, 8))
    y = rng.integers(0, 3, 800)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    used = []

    def measure(history):
        if len(history) in (10, 50):  # 1,000 and 5,000 steps
            used.append(tracemalloc.get_traced_memory()[0])

    adam = optim.Adam(model.parameters())
    data = batches(x, y, 8, rng=rng)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        fit(
            model, losses.cross_entropy, adam, data, epochs=50, scheduler=Halving(adam),
            callbacks=[measure], progress=False,
        )  # fmt: skip
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert used[1] - used[0] < 20_000
    assert peak - used[1] < 300_000


def test_the_graph_of_a_batch_is_gone_before_the_next_forward_pass():
    alive, here = [], []

    class Probe(nn.Linear):
        def __call__(self, x):
            alive.append(sum(ref() is not None for ref in here))
            out = kernels.relu(super().__call__(x))
            here.append(weakref.ref(out))
            return out

    model = Probe(2, 1)
    sgd = optim.SGD(model.parameters(), lr=0.01)
    gc.disable()
    try:
        fit(
            model, losses.mse_loss, sgd, batches(X, X[:, :1], 2), epochs=2, progress=False
        )  # fmt: skip
    finally:
        gc.enable()
    assert alive == [0] * 10
