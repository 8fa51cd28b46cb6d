"""Every function of `viz.plots` makes a figure that one can read 800 pixels wide."""

import numpy as np
import pytest
from figures import faults_of, figures_saved
from matplotlib.patches import Patch

from tinygrad_edu import Tensor, losses, nn, optim, train
from tinygrad_edu.compiler import compile
from tinygrad_edu.lab import (
    SURFACES,
    basins,
    compare_batches,
    default_racers,
    descend,
    gradient_noise,
    landscape,
    lr_range_test,
    race,
    sweep,
)
from tinygrad_edu.rng import default_rng
from tinygrad_edu.viz import plots
from tinygrad_edu.viz.plots.losses import ERROR, LOGIT
from tinygrad_edu.viz.plots.style import (
    SERIES,
    axes_of,
    figure,
    label_ends,
    legible,
    line,
    panels,
    points,
    spread,
)

RACE = race(
    SURFACES["rosenbrock"], default_racers(6e-4, 0.1, noise=20.0), 60, start=(-1.5, 2.0),
    rng=np.random.default_rng(0),
)  # fmt: skip
BOWL = landscape(SURFACES["bowl"], points=21)
PATHS = {
    name: descend(SURFACES["bowl"], [2.5, 1.5], lr, 20).x for name, lr in (("a", 0.02), ("b", 0.15))
}
ROWS = np.random.default_rng(4).standard_normal((40, 2))


def network():
    rng = np.random.default_rng(3)
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    return model, losses.mse_loss


def parabola(lr, curvature, seed):
    start = default_rng().uniform(1, 2)
    return descend(lambda x: curvature * x**2 / 2, start, lr, 60).loss.tolist()


def swept():
    rates = [0.01, 0.1, 1.0, 2.2, 3.0]
    return sweep(parabola, lr=rates, curvature=[0.5, 1.0], jobs=1, progress=False)


def batches():
    data = ROWS, np.sin(ROWS[:, :1]) * ROWS[:, 1:]
    rng = np.random.default_rng(0)
    noise = gradient_noise(network, data, samples=20, rng=rng)
    return compare_batches(network, data, (1, 8, 40), lr=0.05, epochs=3, rng=rng), noise


def rate_that_grew():
    model, loss = network()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    return lr_range_test(model, loss, sgd, [(ROWS, ROWS[:, :1])], start=1e-3, end=100.0)


def compiled():
    model, loss = network()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    step = compile(lambda x, y: loss(model(x), y), sgd)
    step(Tensor(ROWS), Tensor(ROWS[:, :1]))
    return step


def history():
    found = train.History()
    for lr, loss in ((0.1, 1.0), (0.1, 0.4), (0.01, 0.2)):
        found.add_batch(loss, 10)
        found.add_epoch(lr, {"loss": 1.2 * loss, "accuracy": 1 - loss / 2})
    return found


def trained_live():
    model, _ = network()
    found = train.History()
    found.live = train.Live()
    data = ROWS, (ROWS[:, :1] > 0).astype(float)
    sgd = optim.SGD(model.parameters(), lr=0.5)
    loss = losses.binary_cross_entropy_with_logits
    train.fit(model, loss, sgd, data, data, epochs=20, history=found, progress=False)
    return found


def schedule():
    sgd = optim.SGD([Tensor(0.0, requires_grad=True)], lr=0.1)
    return optim.lr_scheduler.OneCycleLR(sgd, max_lr=0.1, total_steps=50)


def animated(tmp_path):
    with figures_saved() as saved:
        plots.animate_race(RACE, tmp_path / "race.gif", frames=3)
    return saved[-1]


def moved(tmp_path):
    drawn = []

    def draw(ax, k):
        drawn.append(ax.plot([0, 1], [0, k], label=f"slope {k}")[0].figure)

    plots.animate(draw, range(3), tmp_path / "slopes.gif")
    return drawn[-1]


SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])

# One figure at least for each public name.
FIGURES = {
    "animate": moved,
    "animate_race": animated,
    "basin_curve": lambda _: plots.basin_curve(
        SURFACES["two minima"], basins(SURFACES["two minima"], 0.1, 50, noise=0.8, points=20)
    ),
    "basin_map": lambda _: plots.basin_map(basins(SURFACES["himmelblau"], 0.022, 50, points=20)),
    "contour": lambda _: plots.contour(BOWL, PATHS, log=True, title="A bowl"),
    "curve": lambda _: plots.curve(
        landscape(SURFACES["two minima"], points=101),
        {"one": descend(SURFACES["two minima"], [1.6], 0.05, 20).x},
    ),
    "loss_curves": lambda _: plots.loss_curves(
        [descend(lambda x: (x - 2) ** 2, 0.0, lr, 60) for lr in (0.01, 0.1, 0.5, 0.9, 1.0, 1.1)]
    ),
    "path_on_curve": lambda _: plots.path_on_curve(
        np.sin, descend(np.sin, 1.4, 3.0, 12), title="A sine"
    ),
    "plot_batches": lambda _: plots.plot_batches(*batches()),
    "plot_boundary": lambda _: plots.plot_boundary(
        lambda x: x[:, 0] * x[:, 1] - 0.3, SQUARE, [0, 0, 0, 1], margins=(-0.2, 0.2),
        names=["neither or one", "both"], captions=list("abcd"), title="And",
    ),
    "plot_boundary, of three classes": lambda _: plots.plot_boundary(
        lambda x: np.stack([x[:, 0], x[:, 1], 0.5 - x[:, 1]], axis=-1), ROWS, np.arange(40) % 3,
        names=["first", "second", "third"],
    ),
    "plot_filters": lambda _: plots.plot_filters(ROWS.reshape(8, 5, 2), title="Filters"),
    "plot_history": lambda _: plots.plot_history(history()),
    "plot_images": lambda _: plots.plot_images(ROWS.reshape(5, 4, 4), list("abcde"), title="Five"),
    "plot_images, in rows": lambda _: plots.plot_images(
        {"digits": ROWS.reshape(5, 4, 4), "their copies": ROWS.reshape(5, 4, 4)}
    ),
    "plot_learning": lambda _: plots.plot_learning(
        {"seen": 4 * np.exp(-np.arange(300) / 50), "held out": {50: 2.0, 150: 1.0, 300: 0.8}},
        marks={"guessing": 2.3}, title="Learning",
    ),
    "plot_live": lambda _: plots.plot_live(trained_live()),
    "plot_losses": lambda _: plots.plot_losses(ERROR, xlabel="error"),
    "plot_losses, of a logit": lambda _: plots.plot_losses(LOGIT, -9, 9, "logit"),
    "plot_parallel": lambda _: plots.plot_parallel(swept()),
    "plot_program": lambda _: plots.plot_program(compiled(), title="A step"),
    "plot_race": lambda _: plots.plot_race(RACE),
    "plot_range_test": lambda _: plots.plot_range_test(rate_that_grew()),
    "plot_schedule": lambda _: plots.plot_schedule(schedule()),
    "plot_sweep": lambda _: plots.plot_sweep(swept()),
    "plot_sweep, of one rate": lambda _: plots.plot_sweep(
        sweep(lambda lr, seed: [3.0, 2.0, 1.0, lr + seed], lr=[0.1], jobs=1, progress=False)
    ),
    "surface": lambda _: plots.surface(BOWL, PATHS, title="A bowl"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_plot_is_legible(name, tmp_path):
    assert faults_of(FIGURES[name](tmp_path)) == []


def test_every_plot_is_looked_at():
    assert {name.split(",")[0] for name in FIGURES} == set(plots.__all__)


# What is looked for is found


def good():
    ax = axes_of(None)
    for k, name in enumerate(("first", "second")):
        ax.plot([0, 1, 2], [k, k + 1, 3 * k], **line(k), label=name)
    ax.plot([0.5, 1.5], [0.4, 0.6], **points(2), label="points")
    ax.set(xlabel="x", ylabel="y", title="A good figure")
    ax.legend()
    return ax


def test_a_good_figure_has_no_faults():
    assert faults_of(good().figure) == []


def hidden_behind_its_end(ax):
    ax.plot([0.2, 0.201], [0.2, 0.201], "k-", label="short")
    ax.legend()


BAD = {
    "'far' is outside of the figure": lambda ax: ax.figure.text(0.99, 0.5, "far"),
    "'one' overlaps 'two'": lambda ax: (ax.text(1, 1, "one"), ax.text(1.02, 1.01, "two")),
    "'over' overlaps 'A good figure'": lambda ax: ax.text(
        0.5, 1.02, "over", ha="center", transform=ax.transAxes
    ),
    "'faint' has letters of 8.3 pixels": lambda ax: ax.text(1, 1, "faint", size=6),
    "'first' in the legend is not to be seen in the picture": lambda ax: ax.lines[0].remove(),
    "'second' in the legend is not to be seen in the picture": lambda ax: ax.set_ylim(-1, 0.9),
    "'points' in the legend is not to be seen in the picture": lambda ax: ax.lines[2].set_data(
        [np.nan], [1]
    ),
    "'short' in the legend is not to be seen in the picture": hidden_behind_its_end,
    "'area' in the legend is not to be seen in the picture": lambda ax: ax.legend(
        handles=[Patch(color="red", label="area")]
    ),
    "'dots' in the legend is not to be seen in the picture": lambda ax: (
        ax.scatter([1], [1], color="red", label="dots"),
        ax.legend(),
        ax.collections[0].set_offsets([[9, 9]]),
    ),
    "'bars' in the legend is not to be seen in the picture": lambda ax: (
        ax.bar([1.0], [0.0], color="red", label="bars"),
        ax.legend(),
    ),
    "'glass' in the legend is not to be seen in the picture": lambda ax: (
        ax.plot([0, 1], [1, 0], alpha=0.0, label="glass"),
        ax.legend(),
    ),
    "1 of 2 marks of 'points' are cut off": lambda ax: ax.set_xlim(0, 1.2),
    "2 of 2 marks of 'points' are cut off": lambda ax: (
        ax.lines[2].set_data([0, 1], [-5, 9]) or ax.set_ylim(-0.5, 3.2)
    ),
    "1 of 3 marks of 'dots' are cut off": lambda ax: (
        ax.scatter([0, 1, 2], [1, 1, 1], label="dots"),
        ax.set_xlim(0.0, 2.5),
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_found(fault):
    ax = good()
    BAD[fault](ax)
    assert fault in faults_of(ax.figure)


def test_marks_may_be_outside_where_the_picture_says_so():
    ax = good()
    ax.set_xlim(0, 1.2)
    assert faults_of(ax.figure, clipped=("points",)) == []


def test_the_figure_is_left_as_it_was():
    ax = good()
    faults_of(ax.figure)
    assert ax.figure.dpi == 100


# The style


def test_labels_are_moved_apart_and_stay_in_order():
    places = spread(np.array([5.0, 4.0, 4.5, 50.0]), 10.0, 0.0, 100.0)
    np.testing.assert_allclose(places, [20, 0, 10, 50])  # the block would begin at -5.5
    np.testing.assert_allclose(spread(np.array([40.0, 44.0]), 10.0, 0.0, 100.0), [37, 47])
    np.testing.assert_allclose(spread(np.array([99.0, 98.0]), 10.0, 0.0, 100.0), [100, 90])
    np.testing.assert_allclose(spread(np.array([10.0, 50.0]), 10.0, 0.0, 100.0), [10, 50])


def test_ends_of_lines_are_labelled_without_overlap():
    ax = axes_of(None)
    for k in range(len(SERIES)):
        ax.plot([0, 1, 2], [0, 1, 1 + 0.01 * k], **line(k), label=f"series {k}")
    ax.plot([0, 1], [0, 0.5], **line(0), label="early")
    ax.plot([5, 6], [0, 0], **line(1), label="elsewhere")
    ax.plot([0, 2], [0.2, 0.2], **line(2))
    ax.set_xlim(-0.1, 2.1)
    label_ends(ax)
    assert [text.get_text() for text in ax.texts] == [*(f"series {k}" for k in range(7)), "early"]
    assert faults_of(ax.figure) == []


def test_an_axes_without_lines_has_no_labels():
    ax = axes_of(None)
    label_ends(ax)
    assert len(ax.texts) == 0


@pytest.mark.parametrize("k", range(len(SERIES)))
def test_letters_in_the_colour_of_a_line_can_be_read_on_white(k):
    red, green, blue = legible(line(k)["color"])
    assert 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 <= 0.181  # 4.5 to 1


def test_panels_come_in_the_order_of_their_letters():
    a, b, c = panels("ab;cc", solid="b")
    assert hasattr(b, "get_zlim")
    assert not a.spines["top"].get_visible()
    c.figure.draw_without_rendering()
    assert c.bbox.width > 1.5 * a.bbox.width


def test_each_series_differs_in_its_dashes_and_in_its_marker():
    looks = [(str(line(k)["linestyle"]), points(k)["marker"]) for k in range(len(SERIES))]
    for kind in zip(*looks, strict=True):
        assert len(set(kind)) == len(SERIES)
    assert figure(8, 5).bbox.width == 800
