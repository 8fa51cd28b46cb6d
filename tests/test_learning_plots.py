"""Curves, boundaries, images and films of a training show the numbers that they were given."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from PIL import Image

from tinygrad_edu import Tensor, Value, nn, train
from tinygrad_edu.viz import plots
from tinygrad_edu.viz.curves import spans_decades
from tinygrad_edu.viz.plots.style import COLORS, axes_of, figure

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 2))


def axes(fig):
    return fig.axes[0]


# Curves


def test_many_losses_are_pale_and_their_running_mean_is_bold():
    losses = RNG.uniform(1, 2, 200)
    pale, bold = axes(plots.plot_learning(losses, mean=50)).lines
    np.testing.assert_array_equal(pale.get_xydata(), np.stack([np.arange(1, 201), losses], axis=1))
    assert pale.get_linewidth() < bold.get_linewidth()
    steps, means = bold.get_data()
    assert steps[[0, -1]].tolist() == [25.5, 175.5]  # each at the middle of its steps
    assert means[7] == pytest.approx(np.mean(losses[7:57]))


def test_the_mean_is_of_a_twentieth_and_said_below():
    ax = axes(plots.plot_learning(RNG.uniform(1, 2, 400)))
    assert ax.get_xlabel() == "step (pale: each; bold: the mean of 20)"
    few = axes(plots.plot_learning(RNG.uniform(1, 2, 30), xlabel="epoch"))
    assert few.get_xlabel() == "epoch"
    assert len(few.lines) == 1


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([10.0, 1.0], "log"),
        ([9.9, 1.0], "linear"),
        ([10.0, 0.0], "linear"),
        ([10.0, -1.0], "linear"),
        ([np.inf, 10.0, 1.0, np.nan], "log"),
        ([np.nan, np.nan], "linear"),
    ],
)
def test_the_scale_is_logarithmic_where_it_spans_a_decade(losses, scale):
    assert axes(plots.plot_learning(losses)).get_yscale() == scale


def test_numbers_on_a_logarithmic_scale_are_plain():
    ax = axes(plots.plot_learning([2.0, 0.3, 0.05]))
    ax.figure.draw_without_rendering()
    assert {"0.05", "0.1", "0.2", "0.5", "1"} <= {x.get_text() for x in ax.get_yticklabels()}


def test_each_curve_and_mark_has_its_name_at_its_end():
    curves = {"seen": [3.0, 2.0, 1.5], "held out": {2: 2.5, 3: 2.4}}
    ax = axes(plots.plot_learning(curves, marks={"guessing": 2.3}))
    assert {text.get_text() for text in ax.texts} == {"seen", "held out", "guessing"}
    assert ax.lines[1].get_xydata().tolist() == [[2, 2.5], [3, 2.4]]
    assert ax.lines[2].get_xydata().tolist() == [[1, 2.3], [3, 2.3]]
    assert ax.get_legend() is None


def test_a_mean_of_more_steps_than_there_are_is_none():
    ax = axes(plots.plot_learning([3.0, 2.0, 1.0], mean=10))
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert ax.get_xlabel() == "step"


def test_means_of_several_lengths_are_all_told():
    ax = axes(plots.plot_learning({"a": np.ones(300), "b": np.ones(1000), "c": np.ones(9)}))
    assert ax.get_xlabel() == "step (pale: each; bold: the mean of 15 to 50)"


@pytest.mark.parametrize("losses", [[0.5], {"one": [0.5], "more": [2.0, 1.0]}])
def test_a_single_loss_can_be_seen(losses):
    assert axes(plots.plot_learning(losses)).lines[0].get_marker() == "o"


def test_marks_reach_as_far_as_losses_at_some_steps():
    ax = axes(plots.plot_learning({"held out": {10: 1.0, 20: 0.5}}, marks={"guessing": 0.7}))
    assert ax.lines[1].get_xydata().tolist() == [[1, 0.7], [20, 0.7]]


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_losses_may_still_have_their_graphs(kind):
    losses = [kind(float(x), requires_grad=True) for x in (3, 2, 1)]
    fig = plots.plot_learning({"each": losses, "some": dict(enumerate(losses, 1))})
    for line in axes(fig).lines:
        assert line.get_ydata().tolist() == [3, 2, 1]
    assert len(axes(plots.plot_learning(iter([2.0, 1.0]))).lines[0].get_xdata()) == 2


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([], "there is no loss to draw"),
        ({}, "there is no loss to draw"),
        ({"seen": [], "held out": [1.0]}, "there is no loss to draw in 'seen'"),
        ({"seen": {}}, "there is no loss to draw in 'seen'"),
        (np.ones((5, 2)), r"one number for each step, and they have shape \(5, 2\)"),
    ],
)
def test_what_is_no_curve_is_refused(losses, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_learning(losses)


def test_numbers_near_the_largest_do_not_overflow():
    assert not spans_decades([1.7e308, 1e308])


# Boundaries


def drawn(fig):
    (image,) = axes(fig).images
    return np.asarray(image.get_array())


def test_scores_are_those_of_the_function_from_the_lower_left():
    shown = drawn(plots.plot_boundary(lambda p: p[:, 0] + 10 * p[:, 1], X, places=5))
    (left, bottom), (right, top) = X.min(axis=0), X.max(axis=0)
    assert shown[0, 0] == pytest.approx(
        left + 10 * bottom - 0.1 * (right - left + 10 * (top - bottom))
    )
    assert shown[0, -1] - shown[0, 0] == pytest.approx(1.2 * (right - left))
    assert shown[-1, 0] - shown[0, 0] == pytest.approx(12 * (top - bottom))


def test_the_boundary_is_where_the_score_is_the_level():
    fig = plots.plot_boundary(lambda p: p[:, 0], bounds=(-1, 1, -1, 1), level=0.25)
    (line,) = axes(fig).collections
    np.testing.assert_allclose(line.get_paths()[0].vertices[:, 0], 0.25)


def test_a_model_of_tensors_and_one_of_values_are_asked_alike():
    linear = nn.Linear(2, 1, rng=RNG)
    neuron = nn.MLP(2, [1], rng=RNG)
    for parameter, number in zip(
        neuron.parameters(), [*linear.weight.data[:, 0], linear.bias.data[0]], strict=True
    ):
        parameter.data = float(number)
    one = drawn(plots.plot_boundary(linear, X, places=7))
    other = drawn(plots.plot_boundary(lambda points: [neuron(p) for p in points], X, places=7))
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("kind", ["scores", "tensor", "lists of values", "classes"])
def test_the_class_is_that_of_the_largest_score(kind):
    def scores(p):
        return np.stack([1.1 * p[:, 0], p[:, 1], 0 * p[:, 0]], axis=-1)

    f = {
        "scores": scores,
        "tensor": lambda p: Tensor(scores(p), requires_grad=True),
        "lists of values": lambda p: [list(row) for row in scores(p)],
        "classes": lambda p: np.argmax(scores(p), axis=1),
    }[kind]
    shown = drawn(plots.plot_boundary(f, bounds=(-1, 1, -1, 1), places=4))
    assert shown.tolist() == [[2, 2, 0, 0], [2, 2, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]


def test_no_boundary_is_drawn_in_the_rounding_of_one_answer():
    fig = plots.plot_boundary(
        lambda p: 0.5 + 1e-9 * p[:, 0], bounds=(-1, 1, -1, 1), level=0.5, limit=0.5
    )
    assert len(axes(fig).collections) == 0


def test_asking_for_a_boundary_records_no_graph():
    seen = []
    model = nn.Linear(2, 1, rng=RNG)
    plots.plot_boundary(lambda p: seen.append(model(p)) or seen[-1], X, places=3)
    assert not seen[0].requires_grad


def test_each_class_has_a_mark_of_its_own_and_its_name():
    ax = axes(plots.plot_boundary(lambda p: p[:, 0], X, np.arange(30) % 2, names=["no", "yes"]))
    assert [x.get_text() for x in ax.get_legend().get_texts()] == ["no", "yes"]
    zeros, ones = ax.lines
    assert zeros.get_marker() != ones.get_marker()
    np.testing.assert_array_equal(ones.get_xydata(), X[1::2])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((lambda p: p[:, 0], X.T), r"points must have shape \(n, 2\), and these have \(2, 30\)"),
        ((lambda p: p[:, 0],), "the plane needs its limits"),
        ((lambda p: p[:3, 0], X), r"for 40000 points it returned an array of shape \(3,\)"),
    ],
)
def test_what_is_no_plane_is_refused(args, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_boundary(*args)


def colors_of_points(fig):
    """The colour of each class, by its points."""
    return {tuple(line.get_xydata()[0]): line.get_color() for line in axes(fig).lines}


def color_at(fig, x):
    """The colour of the plane at a point (x, 0), of a plane from -1 to 1."""
    (image,) = axes(fig).images
    row = image.get_array()[len(image.get_array()) // 2]
    place = int((x + 1) / 2 * len(row))
    return tuple(image.cmap(image.norm(row[place : place + 1]))[0, :3])


HALVES = {
    "two of three scores": (lambda p: np.stack([0 * p[:, 0] - 9, -p[:, 0], p[:, 0]], -1), [1, 2]),
    "classes": (lambda p: np.where(p[:, 0] > 0, 3, 2), [2, 3]),
    "signs": (lambda p: np.sign(p[:, 0]).astype(int), [-1, 1]),
    "truth": (lambda p: p[:, 0] > 0, [0, 1]),
    "a score": (lambda p: p[:, 0], [0, 1]),
    "a score, of -1 and 1": (lambda p: p[:, 0], [-1.0, 1.0]),
}


SEEN = [(kind, seen) for kind in HALVES for seen in ([0, 1], [0], [1])]
ONE_OF_TWO = [("a score, of -1 and 1", [0]), ("a score, of -1 and 1", [1])]  # does not say which


@pytest.mark.parametrize(("kind", "seen"), [x for x in SEEN if x not in ONE_OF_TWO])
def test_a_point_has_the_colour_of_its_class_in_the_plane(kind, seen):
    """Also where some classes have no points."""
    f, classes = HALVES[kind]
    x, y = np.array([[-0.5, 0.0], [0.5, 0.0]])[seen], np.array(classes)[seen]
    fig = plots.plot_boundary(f, x, y, bounds=(-1, 1, -1, 1), places=8, limit=0.1)
    for place, color in colors_of_points(fig).items():
        assert color_at(fig, place[0]) == pytest.approx(to_rgb(color), abs=0.01)


def test_names_are_those_of_the_numbers_of_the_classes():
    f = HALVES["two of three scores"][0]
    fig = plots.plot_boundary(f, [[-0.5, 0.0], [0.5, 0.0]], [1, 2], names=["zero", "one", "two"])
    assert [x.get_text() for x in axes(fig).get_legend().get_texts()] == ["one", "two"]
    fig = plots.plot_boundary(f, [[-0.5, 0.0], [0.5, 0.0]], ["a", "b"], names=["is a", "is b"])
    assert [x.get_text() for x in axes(fig).get_legend().get_texts()] == ["is a", "is b"]


def test_the_shades_end_at_the_largest_finite_score():
    fig = plots.plot_boundary(
        lambda p: np.select([p[:, 0] > 0.5, p[:, 0] < -0.5], [np.inf, np.nan], 2 * p[:, 1]),
        bounds=(-1, 1, -1, 1),
    )
    assert axes(fig).images[0].get_clim() == (-2, 2)
    assert color_at(fig, 0.9) == color_at(fig, -0.9) == to_rgb(COLORS["purple"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": X, "y": np.arange(10)}, r"30 points need 30 classes, and y has shape \(10,\)"),
        ({"x": X, "y": np.ones((30, 2))}, r"30 points need 30 classes, and y has shape \(30, 2\)"),
        ({"x": X[:0]}, r"these have \(0, 2\)"),
        ({"x": X, "captions": ["a"]}, "1 captions for 30 points"),
        ({"x": X, "y": np.arange(30) % 3, "names": "ab"}, "2 names for the classes 0 to 2"),
        ({"bounds": (0, 1, 0)}, r"\(left, right, bottom, top\), and they are \(0, 1, 0\)"),
        ({"bounds": (0, 0, 0, 1)}, r"they are \(0, 0, 0, 1\)"),
        ({"f": lambda p: np.full(len(p), np.nan), "x": X}, "no finite number"),
    ],
)
def test_points_names_and_bounds_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_boundary(**{"f": lambda p: p[:, 0], **options})


# Images


def places(ax):
    return [image.get_extent() for image in ax.images if isinstance(image, AxesImage)]


def test_images_stand_beside_and_below_each_other():
    images = RNG.uniform(0, 1, (5, 4, 6))
    ax = axes(plots.plot_images(images, columns=3))
    np.testing.assert_array_equal(ax.images[4].get_array(), images[4])
    corners = [(round(left), round(top / (4 / 6))) for left, _, _, top in places(ax)]
    assert corners == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    assert {image.get_clim() for image in ax.images} == {(images.min(), images.max())}


def test_captions_and_names_of_rows_are_written():
    images = RNG.uniform(0, 1, (2, 3, 3))
    ax = axes(plots.plot_images({"one": images, "other": images}, ["a", "b", "c", 4]))
    assert [x.get_text() for x in ax.texts] == ["a", "b", "c", "4", "one", "other"]


def test_filters_share_a_scale_on_which_white_is_zero():
    filters = RNG.standard_normal((4, 3, 3))
    fig = plots.plot_filters(filters, label="weight")
    largest = np.abs(filters).max()
    assert {image.get_clim() for image in axes(fig).images} == {(-largest, largest)}
    assert axes(fig).images[0].cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)
    (scale,) = axes(fig).child_axes
    assert scale.get_ylabel() == "weight"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            (np.ones((3, 3)),),
            r"images must be an array of shape \(n, height, width\), and this has",
        ),
        ((np.ones((2, 3, 3)), ["a"]), "there are 1 captions for 2 images"),
        (({"a": np.ones((2, 3, 3)), "b": np.ones((1, 3, 3))},), "'a' 2, 'b' 1"),
    ],
)
def test_images_that_do_not_fit_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_images(*args)


def test_names_with_an_underscore_are_written_too():
    """matplotlib leaves out labels that begin with one, as the layer `self._first` does."""
    fig = plots.plot_learning({"_seen": [2.0, 1.0], "_some": {1: 1.5}}, marks={"_guess": 1.2})
    history = train.History()
    history.live = train.Live()
    history.live.norms, history.live.norm_steps = {"_first": [1.0]}, [1]
    history.add_batch(1.0, 1)
    history.add_epoch(0.1, {"loss": 1.0, "_metric": 0.5})
    history.live.losses.append(1.0)
    history.live.epoch_ends.append(1)
    epochs, live = plots.plot_history(history), plots.plot_live(history)
    named = [text for each in (fig, epochs) for ax in each.axes for text in ax.texts]
    named += [x for ax in live.axes if ax.get_legend() for x in ax.get_legend().get_texts()]
    seen = {text.get_text().lstrip("\u200b") for text in named}
    assert {"_seen", "_some", "_guess", "_metric", "_first"} <= seen
    live.draw_without_rendering()  # with every letter


@pytest.mark.parametrize("draw", [plots.plot_images, plots.plot_filters])
def test_what_is_not_finite_has_a_colour_of_its_own_and_no_say_in_the_scale(draw):
    images = RNG.uniform(-1, 1, (2, 3, 3))
    spoilt = images.copy()
    spoilt[0, 0] = np.nan, np.inf, -np.inf
    image = axes(draw(spoilt)).images[0]
    largest = np.abs(spoilt[np.isfinite(spoilt)]).max()
    assert np.abs(image.get_clim()).max() == largest
    shown = image.cmap(image.norm(image.get_array()))[0, :, :3]
    np.testing.assert_allclose(shown, np.tile(to_rgb(COLORS["purple"]), (3, 1)))
    with pytest.raises(ValueError, match="no number in these images is finite"):
        draw(images * np.nan)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (({"a": np.ones((1, 3, 3)), "b": np.ones((1, 2, 3))},), {}, r"'a' \(3, 3\), 'b' \(2, 3\)"),
        (({},), {}, "there are no images"),
        (([np.ones((2, 2)), np.ones((3, 3))],), {}, r"the same size.*\(2, 2\) and \(3, 3\)"),
        (
            (np.ones((2, 3, 3)),),
            {"columns": 0},
            "columns must be a whole number of at least 1, and it is 0",
        ),
        (
            (np.ones((2, 3, 3)),),
            {"columns": -1},
            "columns must be a whole number of at least 1, and it is -1",
        ),
    ],
)
def test_images_of_several_sizes_and_no_columns_are_refused(args, options, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_images(*args, **options)


def test_what_is_drawn_on_given_axes_leaves_the_others_alone():
    left, right = figure(8, 4).subplots(1, 2)
    fig = plots.plot_images(np.ones((1, 2, 2)), ax=left)
    assert fig is right.figure
    assert not right.images


# Films


def test_a_film_has_a_picture_for_each_frame_and_holds_the_last(tmp_path):
    plots.animate(lambda ax, k: ax.plot([0, 1], [0, k]), range(4), tmp_path / "a.gif", hold=2.0)
    with Image.open(tmp_path / "a.gif") as film:
        durations = []
        for k in range(film.n_frames):
            film.seek(k)
            durations.append(film.info["duration"])
    assert durations == [120, 120, 120, 2120]  # GIF counts hundredths of a second
    with pytest.raises(ValueError, match="no frames"):
        plots.animate(lambda ax, k: None, [], tmp_path / "b.gif")


def test_axes_are_empty_for_each_frame(tmp_path):
    lines = []
    ax = axes_of(None)
    plots.animate(lambda ax, k: lines.append(len(ax.lines)), range(2), tmp_path / "a.gif")
    assert set(lines) == {0}
    assert not ax.lines
