"""lab: races against PyTorch's paths and theory, the noise of batches, and their pictures."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from figures import figures_saved
from PIL import Image
from references import assert_close, stored

from tinygrad_edu import Tensor, losses, nn
from tinygrad_edu.lab import SURFACES, descend
from tinygrad_edu.lab.noise import compare_batches, gradient_noise
from tinygrad_edu.lab.races import Racer, default_racers, race
from tinygrad_edu.viz.plots.race import (
    animate_race,
    draw_effective,
    draw_losses,
    frames_of,
    plot_batches,
    plot_race,
)

STARTS = {"rosenbrock": (-1.5, 2.0), "beale": (1.0, 1.2), "bowl": (-2.5, 1.5)}
RATES = {"rosenbrock": 3e-4, "beale": 1e-3, "bowl": 0.05}
ROWS = 40


def pytorch_racers(lr):
    """The racers of make_race_reference.py, with PyTorch's defaults."""
    racers = [r for r in default_racers(lr, 0.1) if not r.batch_size]
    return [replace(r, settings={}) if r.name == "RMSprop" else r for r in racers]


def network():
    rng = np.random.default_rng(3)
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    return model, losses.mse_loss


def rows(n=ROWS):
    x = np.random.default_rng(4).standard_normal((n, 2))
    return x, np.sin(x[:, :1]) * x[:, 1:]


def bowl(x):
    return (x[0] ** 2 + 10 * x[1] ** 2) / 2


@pytest.mark.parametrize("name", STARTS)
def test_paths_are_those_of_pytorch(name):
    found = race(SURFACES[name], pytorch_racers(RATES[name]), 50, start=STARTS[name])
    expected = stored("race")[name]
    assert {entry.racer.name for entry in found.entries} == expected.keys()
    for racer, path in expected.items():
        assert_close(found[racer].x, path)
        assert_close(found[racer].loss, SURFACES[name](path))


def test_every_stored_surface_is_raced_on():
    assert stored("race").keys() == STARTS.keys()


def test_a_racer_goes_where_descend_goes():
    racer = Racer("momentum", "SGD", 0.05, {"momentum": 0.9})
    alone = descend(bowl, [2.0, 1.0], 0.05, 30, momentum=0.9)
    (entry,) = race(bowl, [racer], 30, start=[2.0, 1.0]).entries
    np.testing.assert_array_equal(entry.x, alone.x)
    np.testing.assert_array_equal(entry.loss, alone.loss)
    np.testing.assert_array_equal(entry.gradient, alone.gradient[:-1])


def test_the_effective_step_size_of_gradient_descent_is_its_rate():
    for settings in ({"start": (2.0, 1.0)}, {"data": rows()}):
        problem = network if "data" in settings else bowl
        rng = np.random.default_rng(0)
        found = race(problem, default_racers(0.05), 20, **settings, rng=rng)
        for name in ("gradient descent", "mini-batch SGD"):
            np.testing.assert_allclose(found[name].effective_lr, 0.05, rtol=1e-6)


def test_momentum_on_a_slope_that_stays_reaches_ten_times_the_rate():
    racers = [r for r in default_racers(0.01, 0.1) if r.name not in ("mini-batch SGD", "RMSprop")]
    found = race(lambda x: x[0] + 5 * x[1], racers, 200, start=(0.0, 0.0))
    for name in ("momentum", "Nesterov"):
        np.testing.assert_allclose(found[name].effective_lr[-1], 0.1)
    np.testing.assert_allclose(found["Adam"].effective_lr[-1], [0.1, 0.02], rtol=1e-6)
    t = np.arange(1, 201)[:, None]  # Adagrad: lr / sqrt(t g²)
    np.testing.assert_allclose(found["Adagrad"].effective_lr, 0.1 / (np.sqrt(t) * [1, 5]))


def test_the_effective_step_size_is_nan_where_there_is_no_slope():
    (entry,) = race(bowl, [Racer("a", "SGD", 0.1)], 3, start=(1.0, 0.0)).entries
    assert np.isnan(entry.effective_lr[:, 1]).all()
    np.testing.assert_allclose(entry.effective_lr[:, 0], 0.1)


def test_noise_is_on_the_gradient_and_not_on_the_loss():
    racer = Racer("noisy", "SGD", 0.01, noise=2.0)
    rng = np.random.default_rng(0)
    (entry,) = race(bowl, [racer], 400, start=(1.0, 1.0), rng=rng).entries
    noise = entry.gradient - entry.x[:-1] * [1, 10]
    assert np.std(noise) == pytest.approx(2.0, rel=0.1)
    np.testing.assert_allclose(entry.loss, [bowl(x) for x in entry.x])


def test_all_start_at_the_same_weights_and_see_the_loss_of_all_data():
    rng = np.random.default_rng(0)
    found = race(network, None, 15, data=rows(), rng=rng)
    model, loss = network()
    start = np.concatenate([p.data.ravel() for p in model.parameters()])
    for entry in found.entries:
        np.testing.assert_array_equal(entry.x[0], start)
        assert entry.loss[0] == loss(model(rows()[0]), rows()[1]).item()
        assert len(entry.x) == len(entry.loss) == len(entry.gradient) + 1 == 16
    assert found["mini-batch SGD"].rows_seen[-1] == 15 * 16
    assert found["Adam"].rows_seen[-1] == 15 * ROWS


def test_the_same_seed_gives_the_same_race():
    one, two = (race(network, None, 5, data=rows(), rng=np.random.default_rng(7)) for _ in range(2))
    for a, b in zip(one.entries, two.entries, strict=True):
        np.testing.assert_array_equal(a.x, b.x)


def test_the_landscape_shows_both_weights_or_the_principal_components():
    found = race(SURFACES["bowl"], default_racers(0.05), 20, start=(5.0, 1.0))
    assert found.landscape.axes[0][[0, -1]] == pytest.approx([-3, 5])  # the bounds and the start
    a, b = found.landscape.axes[0][7], found.landscape.axes[1][30]
    assert found.landscape.loss[7, 30] == pytest.approx(bowl((a, b)))
    np.testing.assert_allclose(found.landscape.project(found["Adam"].x), found["Adam"].x)
    found = race(network, default_racers(0.1), 20, data=rows())
    assert found.landscape.project(found["Adam"].x).shape == (21, 2)
    best = min(found.entries, key=lambda entry: entry.loss[-1])
    np.testing.assert_array_equal(found.landscape.plane.origin, best.x[-1])


def test_one_that_diverges_ends_early_without_a_warning_and_comes_last(tmp_path):
    racers = [Racer("fast", "SGD", 1e3), Racer("slow", "SGD", 0.1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = race(bowl, racers, 200, start=(1.0, 1.0))
        plot_race(found, tmp_path / "race.png")
    assert len(found["fast"].x) < 100
    assert not np.isfinite(found["fast"].loss[-1])
    assert found["fast"].first_below(1e-3) is None
    assert found["slow"].first_below(found["slow"].loss[17]) == 17
    assert str(found).splitlines()[0].startswith("slow, learning rate 0.1: 200 steps, loss 5.5 -> ")


@pytest.mark.parametrize("lr", [0.0, 1e9])
def test_where_nobody_gets_anywhere_the_picture_is_around_the_start(lr, tmp_path):
    racers = [Racer("a", "SGD", lr), Racer("b", "SGD", lr)]
    found = race(network, racers, 3, data=rows())
    start = found["a"].x[0]
    np.testing.assert_allclose(found.landscape.plane.at(start[:2]), start)
    low, high = found.landscape.axes[1][[0, -1]]
    assert low < start[1] < high
    plot_race(found, tmp_path / "race.png")


@pytest.mark.parametrize(
    ("racers", "settings", "message"),
    [
        ([], {}, "racers is empty"),
        ([Racer("a", "Adma", 0.1)], {}, "racer 'a': optimizer is one of .*Adam.* not 'Adma'"),
        ([Racer("a", "SGD", -0.1)], {}, "racer 'a': lr must be finite and at least 0.* -0.1"),
        ([Racer("a", "Adam", 0.1, {"momentum": 0.9})], {}, "racer 'a': .*'momentum'"),
        ([Racer("a", "SGD", 0.1, noise=-1)], {}, "racer 'a': noise must be finite.* -1"),
        ([Racer("a", "SGD", 0.1)] * 2, {}, "different names, and they are a, a"),
        (None, {"steps": 0}, "steps must be a whole number"),
        (None, {"start": None}, "start= for a function, or data= for a network"),
        (None, {"start": 1.0}, "point of at least two finite numbers, and it is 1.0"),
        (None, {"start": (1.0, np.nan)}, "at least two finite numbers"),
        (None, {"problem": lambda x: x * 2}, r"scalar Tensor, not .*\(2,\)"),
        (None, {"problem": lambda x: 3.0}, "scalar Tensor, not 3.0"),
        (None, {"problem": lambda x: np.log(-x).sum()}, "loss at the start must be finite.* nan"),
    ],
)
def test_bad_races_are_refused(racers, settings, message):
    settings = {"problem": bowl, "start": (1.0, 1.0)} | settings
    with pytest.raises(ValueError, match=message):
        race(racers=racers, **settings)


@pytest.mark.parametrize("size", [0, ROWS + 1])
def test_bad_batch_sizes_are_refused(size):
    message = f"batch_size must be from 1 to {ROWS}, .*and it is {size}"
    with pytest.raises(ValueError, match=message):
        race(network, [Racer("a", "SGD", 0.1, batch_size=size)], data=rows())
    with pytest.raises(ValueError, match=message):
        gradient_noise(network, rows(), [1, size])
    with pytest.raises(ValueError, match=message):
        compare_batches(network, rows(), [1, size], lr=0.1)


@pytest.mark.parametrize("lr", [np.float32(0.1), np.array(0.1)])
def test_one_rate_may_be_a_number_of_numpy(lr):
    (entry,) = compare_batches(network, rows(), [ROWS], lr=lr, epochs=1)
    assert entry.racer.lr == pytest.approx(0.1)


def test_bad_data_samples_and_epochs_are_refused():
    x, y = rows()
    with pytest.raises(ValueError, match="data has 40 rows in x and 39 in y"):
        race(network, data=(x, y[1:]))
    with pytest.raises(ValueError, match="samples must be at least 2"):
        gradient_noise(network, rows(), samples=1)
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        compare_batches(network, rows(), lr=0.1, epochs=0)
    with pytest.raises(ValueError, match="lr has 2 rates for 3 batch sizes"):
        compare_batches(network, rows(), lr=[0.1, 0.2])
    with pytest.raises(ValueError, match="'gradient descent': lr must be"):
        compare_batches(network, rows(), [ROWS], lr=-0.1)


# Batches


def test_the_noise_of_a_batch_falls_as_theory_says():
    noise = gradient_noise(network, rows(), samples=500, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(noise.batch_size, [1, 2, 4, 8, 16, 32, ROWS])
    np.testing.assert_allclose(noise.variance[:-1], noise.theory[:-1], rtol=0.25)
    assert noise.variance[-1] == pytest.approx(0, abs=1e-20)
    assert noise.theory[-1] == 0
    assert noise.theory[0] == noise.row_variance
    assert "batches of 8: noise" in str(noise)


def test_theory_is_exact_over_all_batches_of_two():
    x, y = rows(6)
    noise = gradient_noise(network, (x, y), [2])
    model, loss = network()

    def gradient(batch):
        model.zero_grad()
        loss(model(x[batch]), y[batch]).backward()
        return np.concatenate([p.grad.ravel() for p in model.parameters()])

    whole = gradient(slice(None))
    pairs = [gradient([i, j]) - whole for i in range(6) for j in range(i)]
    assert noise.theory == pytest.approx(np.mean([g @ g for g in pairs]))
    assert noise.size == pytest.approx(whole @ whole)


def test_rows_of_tables_are_positions_whatever_their_labels():
    x, y = rows()
    labels = np.random.default_rng(5).permutation(ROWS)
    tables = pd.DataFrame(x, index=labels), pd.DataFrame(y, index=labels[::-1])
    ours, expected = (
        (
            gradient_noise(network, data, [1, 8], samples=5, rng=np.random.default_rng(0)),
            compare_batches(network, data, (8,), lr=0.05, epochs=1, rng=np.random.default_rng(0)),
        )
        for data in (tables, (x, y))
    )
    np.testing.assert_array_equal(ours[0].variance, expected[0].variance)
    assert ours[0].row_variance == expected[0].row_variance
    np.testing.assert_array_equal(ours[1][0].x, expected[1][0].x)


def test_batches_are_compared_on_as_many_rows():
    entries = compare_batches(network, rows(), (1, 8, ROWS), lr=0.05, epochs=4)
    assert [len(entry.gradient) for entry in entries] == [160, 20, 4]
    assert [entry.rows_seen[-1] for entry in entries] == [160] * 3
    assert entries[0].x[0] == pytest.approx(entries[2].x[0])
    assert [e.racer.name for e in entries] == [
        "stochastic (1 row)",
        "mini-batches of 8",
        "gradient descent",
    ]


def test_each_batch_size_may_have_a_rate_of_its_own():
    entries = compare_batches(network, rows(), (8, ROWS), lr=[0.05, 0.1], epochs=2)
    assert [entry.racer.lr for entry in entries] == [0.05, 0.1]
    names = [entry.racer.name for entry in entries]
    assert names == ["mini-batches of 8, rate 0.05", "gradient descent, rate 0.1"]
    np.testing.assert_allclose(entries[1].effective_lr, 0.1)


# Pictures


def test_the_picture_has_paths_losses_and_step_sizes(tmp_path):
    found = race(SURFACES["bowl"], default_racers(0.05), 20, start=(-2.5, 1.5))
    fig = plot_race(found, tmp_path / "race.png")
    assert (tmp_path / "race.png").stat().st_size > 20_000
    paths, curves, *panels = fig.axes
    np.testing.assert_array_equal(paths.lines[1].get_xydata(), found["gradient descent"].x)
    np.testing.assert_array_equal(curves.lines[-1].get_ydata(), found["Adam"].loss)
    assert [text.get_text() for text in paths.get_legend().get_texts()] == ["start", "minimum"]
    np.testing.assert_allclose(paths.lines[-1].get_xydata(), [[0, 0]], atol=1e-12)
    assert curves.get_legend() is None
    assert {text.get_text() for text in curves.texts} == {e.racer.name for e in found.entries}
    assert [ax.get_title() for ax in panels if ax.axison] == [e.racer.name for e in found.entries]
    assert curves.get_xlabel() == "step"
    assert curves.get_yscale() == "log"
    np.testing.assert_array_equal(panels[6].lines[1].get_ydata(), found["Adam"].effective_lr[:, 1])


def test_pictures_of_a_network_and_of_a_loss_below_0():
    found = race(network, default_racers(0.05)[:3], 10, data=rows())
    panels = draw_effective(found).axes
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), 0.05)
    saddle = race(SURFACES["saddle"], [Racer("a", "SGD", 0.1)], 50, start=(1.0, 0.5))
    assert draw_losses(saddle.entries).get_yscale() == "linear"
    still = race(bowl, [Racer("a", "SGD", 0.1)], 5, start=(0.0, 0.0))
    assert draw_losses(still.entries).get_ylim()[0] < 0


def test_an_animation_is_a_gif_or_a_page_of_its_own(tmp_path):
    racers = [Racer("<script>", "SGD", 0.1), Racer("b", "Adam", 0.1)]
    found = race(bowl, racers, 30, start=(2.0, 1.0))
    with Image.open(animate_race(found, tmp_path / "race.gif", frames=3)) as film:
        assert film.n_frames == 3
        film.seek(2)
        assert film.info["duration"] == 2000
    text = animate_race(found, tmp_path / "race.html", frames=3).read_text()
    assert len(re.findall('^(?:const frames = .)?"iVBORw0KGgo', text, re.MULTILINE)) == 3
    assert "http" not in text
    assert text.count("<script>") == 1
    with pytest.raises(ValueError, match=r"a \.gif or a \.html file, and this is 'race.mp4'"):
        animate_race(found, tmp_path / "race.mp4")


def test_the_legend_of_an_animation_stays_where_it_is(tmp_path):
    racers = [Racer("a", "SGD", 0.1), Racer("b", "Adam", 0.1)]
    found, places = race(SURFACES["bowl"], racers, 30, start=(2.0, 1.0)), []
    with figures_saved() as saved:
        for _ in frames_of(found, 4):
            assert saved[-1].axes[1].get_legend() is None
            (legend,) = saved[-1].legends
            places.append(legend.get_window_extent().bounds)
    assert len(set(places)) == 1
    paths, curves = saved[-1].axes
    assert [len(line.get_xdata()) for line in paths.lines[:4]] == [31] * 4
    assert [len(line.get_xdata()) for line in curves.lines] == [31] * 2
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_the_picture_of_batches(tmp_path):
    noise = gradient_noise(network, rows(), samples=20)
    entries = compare_batches(network, rows(), (1, 8, ROWS), lr=0.05, epochs=2)
    fig = plot_batches(entries, noise, tmp_path / "batches.png")
    left, middle, right = fig.axes
    assert {text.get_text() for text in right.texts} == {e.racer.name for e in entries}
    np.testing.assert_array_equal(left.lines[2].get_ydata(), noise.variance[:-1])
    assert middle.lines[2].get_xdata()[-1] == 2
    assert right.lines[2].get_xdata()[-1] == 2 * ROWS


def test_values_of_other_types_race_too():
    found = race(lambda x: (x**4).sum(), [Racer("a", "Adam", 0.1)], 5, start=(1, 2, 3))
    assert found["a"].x.shape == (6, 3)
    assert isinstance(found["a"].loss, np.ndarray)
    assert not isinstance(found["a"].x, Tensor)
