"""Looking at a training while it runs changes nothing of it, costs little, and never ends it."""

import json
import socket
import struct
import sys
import threading
import time
import types
import urllib.error
import urllib.request
import warnings
from base64 import b64decode
from contextlib import contextmanager

import numpy as np
import pytest

from tinygrad_edu import functional, losses, manual_seed, nn, optim, train, viz
from tinygrad_edu.rng import default_rng
from tinygrad_edu.train.live import SIDE, Budget, Live
from tinygrad_edu.viz.curves import DRAWN, Groups, panels_of, plane_of, status_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


class Noisy(nn.Module):
    """Draws from the package's generator in both modes."""

    def __init__(self):
        self.first, self.last = nn.Linear(2, 16), nn.Linear(16, 2)

    def __call__(self, x):
        h = functional.dropout(functional.tanh(self.first(x)), 0.1, training=True)
        return self.last(h)


def trained(history=None, model=None, epochs=5, data=(X, Y), loss=losses.cross_entropy, **options):
    manual_seed(0)
    model = model or Noisy()
    adam = optim.Adam(model.parameters(), lr=0.01)
    pairs = train.batches(*data, 8)
    history = train.fit(
        model, loss, adam, pairs, data, epochs=epochs, history=history, progress=False, **options
    )
    return history, [p.data for p in model.parameters()]


def looked_at():
    history = train.History()
    history.live = Live()
    return history


class Clock:
    """A time that a test moves on."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("tinygrad_edu.train.live.perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def generous(monkeypatch):
    """Time is no matter: after each batch there is enough for everything."""
    monkeypatch.setattr(Budget, "allows", lambda self: True)
    monkeypatch.setattr("tinygrad_edu.train.live.REST", 0.0)


# The training is the same


@pytest.mark.usefixtures("generous")
def test_a_training_that_is_looked_at_has_the_same_bits():
    plain_history, plain_weights = trained()
    shown = looked_at()
    pictures = []
    shown.live.draw = lambda: pictures.append(len(shown.live.losses))
    shown, weights = trained(shown)
    assert len(pictures) == 5 * 8 + 2  # an empty one, one for each batch, and the last
    assert shown.train_loss == plain_history.train_loss
    assert shown.validation_loss == plain_history.validation_loss
    for one, other in zip(weights, plain_weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("generous")
def test_the_model_is_asked_in_eval_mode_without_a_graph():
    asked = []

    class Spy(Noisy):
        def __call__(self, x):
            out = super().__call__(x)
            asked.append((len(x), self.training, out.requires_grad))
            return out

    trained(looked_at(), Spy(), epochs=1)
    planes = [rest for rows, *rest in asked if rows > 60]
    assert planes == [[False, False]] * 9  # after each batch, and at the end


def test_a_checkpoint_does_not_know_who_looked(tmp_path):
    shown, _ = trained(looked_at(), checkpoint=train.Checkpoint(tmp_path / "run.npz"), epochs=2)
    plain_history, _ = trained(epochs=2)
    assert shown.state_dict() == plain_history.state_dict()
    resumed, _ = trained(looked_at(), checkpoint=train.Checkpoint(tmp_path / "run.npz"), epochs=3)
    assert resumed.train_loss == trained(epochs=3)[0].train_loss
    assert resumed.live.epochs_before == 2
    assert resumed.live.epoch_ends == [8]


# What is noted


@pytest.mark.usefixtures("generous")
def test_the_norms_are_those_of_the_gradients_of_each_layer():
    norms = []
    model = Noisy()

    def note():
        norms.append([
            np.sqrt(sum(np.sum(p.grad**2) for p in layer.parameters()))
            for layer in (model.first, model.last)
        ])  # fmt: skip

    shown, _ = trained(looked_at(), model, before_step=note, epochs=2)
    assert list(shown.live.norms) == ["first", "last"]
    np.testing.assert_allclose(list(zip(*shown.live.norms.values(), strict=True)), norms)
    assert shown.live.norm_steps == list(range(1, 17))


@pytest.mark.usefixtures("generous")
def test_a_frozen_layer_has_no_norm_and_a_dead_one_leaves_the_scale_logarithmic():
    model = Noisy()
    for parameter in model.first.parameters():
        parameter.requires_grad = False
    shown, _ = trained(looked_at(), model, epochs=1)
    assert list(shown.live.norms) == ["last"]
    shown.live.norms = {"dead": [0.0, 0.0], "alive": [0.01, 1.0]}
    shown.live.norm_steps = [1, 2]
    assert panels_of(shown)[1].log
    shown.live.norms["negative"] = [-1.0, 1.0]
    assert not panels_of(shown)[1].log


@pytest.mark.usefixtures("generous")
def test_of_many_norms_every_second_is_dropped(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.train.live.SAMPLES", 10)
    shown, _ = trained(looked_at(), epochs=4)
    steps = shown.live.norm_steps
    assert len(steps) <= 10
    assert steps[-1] == 32
    assert {len(norms) for norms in shown.live.norms.values()} == {len(steps)}


@pytest.mark.usefixtures("generous")
def test_the_plane_is_what_the_model_answers():
    model = nn.Linear(2, 2)
    shown, _ = trained(looked_at(), model, epochs=1)
    plane = shown.live.plane
    left, right, bottom, top = plane.bounds
    seen = np.concatenate([X.min(axis=0), X.max(axis=0)])
    assert left < seen[0] < seen[2] < right
    assert bottom < seen[1] < seen[3] < top
    assert sorted(map(tuple, plane.x)) == sorted(map(tuple, X))
    shown.live.plane = None
    shown.live.begin(model, lambda x: x @ model.weight.data, 0)
    shown.live.batch(X, Y, 0.0)
    corner = np.array([left, bottom]) @ model.weight.data
    np.testing.assert_allclose(shown.live.plane.answer[0, 0], corner)


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize(
    ("data", "loss"),
    [
        ((np.hstack([X, X]), Y), losses.cross_entropy),
        ((X, X[:, :1]), losses.mse_loss),
        ((X, np.arange(60.0)[:, None]), losses.mse_loss),
    ],
)
def test_only_a_few_classes_of_points_have_a_plane(data, loss):
    sizes = data[0].shape[1], 2 if loss is losses.cross_entropy else 1
    shown, _ = trained(looked_at(), nn.Linear(*sizes), data=data, loss=loss)
    assert shown.live.plane is None
    assert len(shown.live.norm_steps) == 40


def test_the_points_do_not_depend_on_how_long_a_step_takes(clock):
    shown, _ = trained(looked_at(), epochs=1)
    assert clock.now == 0.0  # as if all steps were made at once
    assert len(shown.live.plane.x) == len(X)


@pytest.mark.usefixtures("generous")
def test_a_model_of_whole_numbers_is_asked_between_them():
    shown, _ = trained(looked_at(), nn.Linear(2, 1), data=(np.sign(X).astype(int), Y[:, None]),
                       loss=losses.mse_loss)  # fmt: skip
    assert len(np.unique(shown.live.plane.answer)) == SIDE**2


@pytest.mark.usefixtures("generous")
def test_points_have_the_numbers_of_their_classes_where_one_is_missing():
    shown, _ = trained(looked_at(), nn.Linear(2, 3), data=(X, Y + 1))
    plane = plane_of(shown)
    assert sorted(set(plane["y"])) == [1, 2]
    assert plane["names"] == ["0", "1", "2"]


class Sums(nn.Module):
    """Of each row, which may be of any length, its sum; the classes have names."""

    def __init__(self):
        self.linear = nn.Linear(1, 2)

    def __call__(self, x):
        return self.linear(np.array([[np.sum(row)] for row in x]))


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("kind", ["rows of any length", "names", "nan"])
def test_data_of_another_kind_has_no_plane_and_is_shown_all_the_same(kind):
    x, y = X[:6], Y[:6]
    given = {
        "rows of any length": ([[1.0], [2.0, 3.0], [4.0]], [0, 1, 1]),
        "names": (x, np.array(["a", "b"])[y]),
        "nan": (x, np.where(y, np.nan, 1.0)),
    }[kind]

    def loss(scores, classes):
        return losses.cross_entropy(scores, np.array([each in (1, "b") for each in classes], int))

    history = looked_at()
    model = Sums()
    sgd = optim.SGD(model.parameters(), lr=0.01)
    train.fit(model, loss, sgd, [given], epochs=3, history=history, progress=False)
    assert plane_of(history) is None
    assert len(history.live.norm_steps) == 3


@pytest.mark.parametrize(
    ("loss", "given", "level"),
    [
        (losses.binary_cross_entropy, {}, 0.5),
        (losses.binary_cross_entropy_with_logits, {}, 0.0),
        (losses.mse_loss, {}, 0.0),
        (losses.mse_loss, {"level": 0.5}, 0.5),
        (losses.binary_cross_entropy, {"level": 0.9}, 0.9),
    ],
)
def test_the_boundary_is_at_the_level_of_the_loss_or_at_that_one_names(loss, given, level):
    """And does not depend on what the answers happen to be: these are all from 0 to 1."""
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    data = X, Y[:, None].astype(float)
    shown, _ = trained(looked_at(), model, epochs=1, data=data, loss=loss, **given)
    plane = plane_of(shown)
    assert 0 < plane["cells"].min() < plane["cells"].max() < 1
    assert plane["level"] == level


def test_a_level_is_a_number():
    with pytest.raises(ValueError, match="level must be a finite number"):
        trained(level="0.5")


# What it costs


def test_a_budget_is_a_share_of_the_time(clock):
    budget = Budget(0.1)
    done = 0
    for _ in range(1000):
        clock.now += 1.0
        if budget.allows():
            with budget.paying():
                clock.now += 5.0
                done += 1
    assert budget.spent == 5 * done
    assert 0.09 <= budget.spent / clock.now <= 0.1


def test_a_budget_rests_in_between(clock):
    budget = Budget(1.0, every=10.0)
    done = []
    for second in range(35):
        clock.now = float(second)
        if budget.allows():
            with budget.paying():
                done.append(second)
    assert done == [10, 20, 30]


def drawn_at(clock, cost, seconds):
    """When pictures that take `cost` seconds are drawn in a training of that many seconds."""
    history, drawn = looked_at(), []

    def draw():
        drawn.append(clock.now)
        clock.now += cost

    history.live.draw = draw
    history.live.begin(nn.Linear(2, 2), lambda x: x, 0)
    for _ in range(10 * seconds):
        clock.now += 0.1
        history.live.batch(X, Y, 1.0)
    history.live.end()
    return drawn


def test_the_next_picture_waits_until_all_of_them_are_a_small_share(clock):
    drawn = drawn_at(clock, cost=0.3, seconds=60)
    assert drawn[0] == 0.0  # before the training
    assert drawn[1] == pytest.approx(45.0, abs=0.2)  # three pictures are 2 percent of 45 s


@pytest.mark.parametrize("seconds", [11, 17, 40, 300])
def test_all_pictures_are_two_percent_of_a_training_the_last_one_among_them(clock, seconds):
    drawn = drawn_at(clock, cost=0.1, seconds=seconds)
    assert 0.1 * len(drawn) <= 0.02 * clock.now
    assert len(drawn) == int(0.02 * clock.now / 0.1)  # and no fewer


# Errors


def broken():
    raise ZeroDivisionError("no pen")


@pytest.mark.usefixtures("generous")
def test_an_error_in_drawing_is_told_once_and_the_training_goes_on():
    history = looked_at()
    history.live.draw = lambda: broken() if history.live.losses else None
    with pytest.warns(RuntimeWarning, match="goes on, but .* shown: Zero.*no pen") as told:
        _, weights = trained(history)
    assert len(told) == 1
    for one, other in zip(weights, trained()[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("generous")
def test_a_model_that_cannot_answer_the_plane_is_trained_all_the_same():
    class Picky(Noisy):
        def __call__(self, x):
            if len(x) > 60:
                raise ValueError("too many rows")
            return super().__call__(x)

    with pytest.warns(RuntimeWarning, match="too many rows") as told:
        shown, _ = trained(looked_at(), Picky())
    assert len(told) == 1
    assert len(shown) == 5


@pytest.mark.usefixtures("generous")
def test_ctrl_c_while_drawing_ends_the_training():
    history = looked_at()

    def draw():
        if len(history.live.losses) == 3:
            raise KeyboardInterrupt

    history.live.draw = draw
    with pytest.raises(KeyboardInterrupt):
        trained(history)
    assert len(history.live.losses) == 3
    assert history.live.finished


# In a notebook


def test_elsewhere_live_says_what_to_do_instead():
    with pytest.warns(UserWarning, match=r"draws in a notebook.*viz\.watch\(history\)"):
        history, _ = trained(live=True)
    assert history.live is None


@pytest.fixture
def notebook(monkeypatch):
    """A module IPython as a kernel would have it; the pictures that were displayed."""
    pictures = []

    class Handle:
        def update(self, picture):
            pictures.append(picture.data)

    def display(picture, display_id):
        pictures.append(picture.data)
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.version_info = (9, 0, 0)  # matplotlib asks for it
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    ipython.display.Image = lambda data: types.SimpleNamespace(data=data)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return pictures


def test_in_a_notebook_one_picture_is_updated(notebook, monkeypatch, capsys):
    monkeypatch.setattr(Budget, "allows", lambda self: self.times % 10 < 9)
    monkeypatch.setattr("tinygrad_edu.train.live.REST", 0.0)
    history, _ = trained(live=True, epochs=1)
    assert len(notebook) >= 2
    assert all(picture.startswith(b"\x89PNG") for picture in notebook)
    assert notebook[0] != notebook[-1]
    assert history.live.finished
    assert capsys.readouterr().out == ""


# The numbers of the pictures


def test_many_numbers_are_drawn_as_means_of_groups():
    steps = np.arange(1, 251)
    groups = Groups()
    groups.grow(steps, steps**2)
    name, x, y = groups.curve("loss")
    assert name == "loss, means of 4"
    assert len(x) == len(y) == 62 <= DRAWN
    assert x[:2] == [4, 8]
    assert y[1] == np.mean([25, 36, 49, 64])
    assert Groups().curve("loss") == ("loss", [], [])


def test_groups_that_grow_bit_by_bit_are_those_of_all_numbers():
    numbers = RNG.standard_normal(3000)
    growing, at = Groups(), 0
    while at < len(numbers):
        at += int(RNG.integers(0, 150))
        growing.grow(range(1, at + 1), numbers[:at])
        known = Groups()
        known.grow(range(1, at + 1), numbers[:at])
        np.testing.assert_array_equal(growing.ends, known.ends)
        np.testing.assert_allclose(growing.means, known.means)
    growing.grow(range(1, 4), numbers[:3])  # another training
    np.testing.assert_array_equal(growing.means, numbers[:3])


def test_what_a_page_has_is_not_looked_at_again():
    """Else a second of a long training would cost the more the longer it is."""
    looked = []

    class Losses(list):
        def __getitem__(self, key):
            looked.append(len(range(len(self))[key]))
            return super().__getitem__(key)

    history, groups = train.History(), {}
    history.train_loss, history.validation_loss = Losses([1.0] * 10_000), Losses([1.0] * 10_000)
    panels_of(history, groups)
    assert looked == [78 * 128] * 2  # all groups of 128 in 10,000
    for values in (history.train_loss, history.validation_loss):
        values.extend([2.0] * 500)
    looked.clear()
    (panel,) = panels_of(history, groups)
    assert sum(looked) <= 2 * 512
    assert all(len(curve.x) <= DRAWN for curve in panel.curves)


def test_the_panels_are_by_step_and_their_epochs_where_they_ended():
    shown, _ = trained(looked_at(), metrics={"accuracy": train.accuracy}, epochs=3)
    loss, norms, metrics = panels_of(shown)
    assert (loss.xlabel, norms.title) == ("step", "norm of the gradient, by layer")
    training, validation = loss.curves
    assert training.x == list(range(1, 25))
    assert np.mean(training.y[16:]) == pytest.approx(shown.train_loss[2], rel=0.2)
    assert (validation.x, validation.y) == ([8, 16, 24], shown.validation_loss)
    assert metrics.curves[0].y == shown.metrics["accuracy"]
    assert status_of(shown).startswith("finished, step 24: epoch 3")


def test_a_history_that_nobody_looked_at_is_shown_by_epoch():
    history, _ = trained(epochs=3)
    (loss,) = panels_of(history)
    assert loss.xlabel == "epoch"
    assert [curve.y for curve in loss.curves] == [history.train_loss, history.validation_loss]
    assert plane_of(history) is None


def test_of_many_layers_some_are_shown_with_the_first_and_the_last():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
    shown, _ = trained(looked_at(), model, epochs=1)
    curves = panels_of(shown)[1].curves
    assert len(curves) == 7
    assert (curves[0].name, curves[-1].name) == ("layers.0", "layers.19")


# The server


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
        return answer.read().decode()


@contextmanager
def listening(watched, **headers):
    """What the page hears: next() waits for the next numbers."""
    request = urllib.request.Request(watched.url + "numbers", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))


def unpacked(text):
    return np.frombuffer(b64decode(text), "<f8").tolist()


def test_the_server_gives_the_page_and_its_numbers_to_this_computer_only(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.EVERY", 0.05)
    history = train.History()
    with viz.watch(history, browser=False) as watched, listening(watched) as heard:
        assert watched.url.startswith("http://127.0.0.1:")
        before = next(heard)
        assert (before["last"], before["panels"][0]["curves"][0]["y"]) == (False, "")
        trained(history)
        after = next(each for each in heard if each["status"].startswith("finished, step 40:"))
        assert not after["last"]  # the history may be trained further
        assert unpacked(after["panels"][0]["curves"][1]["y"]) == history.validation_loss
        assert "Content-Security-Policy" in get(watched.url)
        with listening(watched, Host="localhost:8000") as through_a_tunnel:
            assert not next(through_a_tunnel)["last"]
        for path, headers, code in (("else", {}, 404), ("numbers", {"Host": "evil.example"}, 403)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(watched.url + path, **headers)
            assert refused.value.code == code
            refused.value.close()
    assert not watched.thread.is_alive()
    with pytest.raises(urllib.error.URLError):
        get(watched.url)
    watched.close()  # a second time does nothing


def test_a_page_hears_only_what_is_new_and_at_the_end_at_once(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.EVERY", 0.01)
    history, _ = trained(looked_at())
    asked = []
    monkeypatch.setattr(
        "tinygrad_edu.viz.pages.monitor.status_of", lambda history: asked.append(0) or "still"
    )
    with viz.watch(history, browser=False) as watched, listening(watched) as heard:
        first = next(heard)
        while len(asked) < 5:
            time.sleep(0.01)
        monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.EVERY", 3600.0)
        time.sleep(0.02)  # it waits for an hour, or for the end
        watched.close()
        assert list(heard) == [{**first, "last": True}]
    assert not watched.streams


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="no clock of a thread")
def test_nobody_is_awake_while_nobody_looks():
    def is_asleep():
        before = clock_of(watched.thread)
        time.sleep(0.8)  # `serve_forever` asks every half second
        return clock_of(watched.thread) == before

    with viz.watch(train.History(), browser=False) as watched:
        assert any(is_asleep() for _ in range(3))  # a busy machine starts it late


def clock_of(thread):
    """The seconds that a thread has worked."""
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def test_a_training_that_goes_on_from_some_epochs_is_shown():
    history, _ = trained(epochs=2)
    with viz.watch(history, browser=False) as watched:
        changes = watched.changes()
        before = json.loads(next(changes))
        assert (before["status"], before["last"]) == (str(history), False)
        assert before["panels"][0]["xlabel"] == "epoch"
        assert unpacked(before["panels"][0]["curves"][0]["y"]) == history.train_loss
        trained(history, epochs=3)
        after = json.loads(next(changes))
        changes.close()
    assert after["status"].startswith("finished, step 8: epoch 3")
    training, validation = after["panels"][0]["curves"]
    assert len(unpacked(training["y"])) == 8
    assert (unpacked(validation["x"]), unpacked(validation["y"])) == (
        [8], history.validation_loss[2:],
    )  # fmt: skip


def test_a_closed_tab_leaves_the_terminal_to_the_training(capfd):
    with viz.watch(train.History(), browser=False) as watched:
        for request in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"):
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", watched.server.server_port)) as tab:
                    tab.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    tab.sendall(request)
        get(watched.url)  # those before were accepted
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(5)
    assert capfd.readouterr() == ("", "")


def test_the_server_ends_when_the_training_raises():
    with (
        pytest.raises(FloatingPointError),
        viz.watch(train.History(), browser=False) as watched,
    ):
        trained(watched.history, data=(X * np.nan, Y))
    assert not watched.thread.is_alive()
    assert watched.history.live.finished


def test_an_error_in_the_numbers_is_told_and_the_training_goes_on(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.numbers_of", lambda *args: 1 / 0)
    told = []
    monkeypatch.setattr(warnings, "warn", lambda text, *args, **options: told.append(text))
    with viz.watch(train.History(), browser=False) as watched:
        assert get(watched.url + "numbers") == ""
        assert len(trained(watched.history)[0]) == 5
    assert "ZeroDivisionError" in told[0]


def test_the_page_is_saved_with_its_numbers(tmp_path):
    history, _ = trained(epochs=2)
    with viz.watch(history, browser=False) as watched:
        watched.save(tmp_path / "training.html")
    assert '"xlabel":"epoch"' in (tmp_path / "training.html").read_text()
    with pytest.raises(TypeError, match=r"must be a train\.History, not a list"):
        viz.watch([1.0])


def test_the_browser_is_opened_at_the_page(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with viz.watch(train.History()) as watched:
        assert opened == [watched.url]


def test_the_generator_is_put_back_also_when_the_model_raises():
    live = Live()
    live.predict = lambda places: default_rng().random() / 0
    before = default_rng().bit_generator.state
    with pytest.raises(ZeroDivisionError):
        live.predict_without_drawing(X)
    assert default_rng().bit_generator.state == before
