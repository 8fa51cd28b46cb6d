"""lab.landscape: slices of a loss against formulas, the planes they are on, and their pictures."""

import pickle

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, losses, nn
from tinygrad_edu.lab.landscapes import (
    Landscape,
    Plane,
    landscape,
    line_between,
    principal_plane,
    random_plane,
)
from tinygrad_edu.lab.surfaces import SURFACES
from tinygrad_edu.lab.weights import in_a_row
from tinygrad_edu.viz.plots.landscape import contour, contour_levels, curve, height, surface

RNG = np.random.default_rng(0)
A = RNG.standard_normal((7, 7))
A = A @ A.T


def quadratic(dtype=float):
    """Parameters p of shapes (2, 3) and (1,), and the loss p A p / 2."""
    parameters = [
        Tensor(RNG.standard_normal(shape).astype(dtype), requires_grad=True, name=name)
        for shape, name in (((2, 3), "weight"), ((1,), "bias"))
    ]
    return parameters, lambda: energy(np.concatenate([p.reshape(-1) for p in parameters]))


def energy(p):
    return (p * (p @ A)).sum(axis=-1) / 2


def network():
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Linear(2, 5, rng=rng), nn.Tanh(), nn.Linear(5, 1, rng=rng))
    x = rng.standard_normal((20, 2))
    return model, lambda: losses.mse_loss(model(x), x[:, :1] * x[:, 1:])


def path_of(steps, n, seed=2):
    return np.random.default_rng(seed).standard_normal((steps, n)).cumsum(axis=0)


# The grid


def test_the_small_table():
    w, b = Tensor(0.0, requires_grad=True, name="w"), Tensor(0.0, requires_grad=True, name="b")
    x, y = 1.0, -1.0
    corners = ((1, 2), (1, 2))
    found = landscape(lambda: (w * x + b) - y, [w, b], [0, 1], points=2, bounds=corners)
    assert found.loss.tolist() == [[3, 4], [4, 5]]
    assert found.labels == ("w", "b")
    assert str(found) == "2 x 2 points, loss 3 to 5, lowest at (1, 1)"


@pytest.mark.parametrize("k", [1, 2])
def test_the_grid_of_a_quadratic_equals_the_formula(k):
    parameters, loss = quadratic()
    d = RNG.standard_normal((k, 7))
    found = landscape(loss, parameters, d, span=2.5, points=9)
    p = in_a_row(parameters)
    assert found.loss.shape == (9,) * k
    for place in np.ndindex(found.loss.shape):
        a = np.array([axis[i] for axis, i in zip(found.axes, place, strict=True)])
        assert found.loss[place] == pytest.approx(energy(p + a @ d), rel=1e-12)
    assert found.axes[0].tolist() == np.linspace(-2.5, 2.5, 9).tolist()


def test_chosen_weights_are_the_coordinates_and_the_others_stay():
    parameters, loss = quadratic()
    found = landscape(loss, parameters, [(0, 1, 2), 1], points=5)
    p = in_a_row(parameters)
    np.testing.assert_allclose(found.axes[0][[0, -1]], p[5] + [-1, 1])
    p[[5, 6]] = found.axes[0][3], found.axes[1][1]
    assert found.loss[3, 1] == pytest.approx(energy(p), rel=1e-12)
    assert found.labels == ("weight[1, 2]", "bias")


def test_functions_of_points_are_called_once():
    calls = []

    def f(points):
        calls.append(points.shape)
        return energy(points)

    point, d = RNG.standard_normal(7), RNG.standard_normal((2, 7))
    found = landscape(f, point, list(d), points=6)
    assert calls == [(6, 6, 7)]
    x = point + found.axes[0][4] * d[0] + found.axes[1][1] * d[1]
    assert found.loss[4, 1] == pytest.approx(energy(x), rel=1e-12)
    assert landscape(f, point, points=3).labels == ("x[0]", "x[1]")


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_are_shown_within_their_bounds(name):
    shown = SURFACES[name]
    found = landscape(shown, points=5)
    for axis, bounds in zip(found.axes, shown.bounds, strict=True):
        np.testing.assert_allclose(axis[[0, -1]], bounds)
    at = [axis[1] for axis in found.axes]
    assert found.loss[(1,) * len(at)] == pytest.approx(float(shown(np.array(at))))
    np.testing.assert_allclose(found.project(shown.minima), shown.minima, atol=1e-12)


def test_a_loss_that_is_not_finite_is_a_result():
    w = Tensor(1.0, requires_grad=True)
    found = landscape(lambda: np.log(w), [w], [0], bounds=[(-1, 1)], points=5)
    assert np.isnan(found.loss[:2]).all()
    assert found.loss[2] == -np.inf
    assert found.lowest == ((0.5,), np.log(0.5))


def test_several_processes_find_the_same():
    model, loss = network()
    plane = random_plane(model.parameters(), rng=np.random.default_rng(0))
    alone = landscape(loss, model.parameters(), plane, points=4)
    shared = landscape(loss, model.parameters(), plane, points=4, jobs=2)
    np.testing.assert_array_equal(alone.loss, shared.loss)


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_is_shown_in_a_terminal(monkeypatch, progress):
    tqdm, shown = pytest.importorskip("tqdm").tqdm, set()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    class Bar(tqdm):
        def close(self):
            shown.add((self.n, self.total))
            super().close()

    monkeypatch.setattr("tqdm.tqdm", Bar)
    parameters, loss = quadratic()
    landscape(loss, parameters, points=3, progress=progress)
    assert shown == ({(3, 3)} if progress else set())


def test_float32_stays_float32():
    parameters, _ = quadratic(np.float32)
    seen = set()

    def loss():
        seen.update(p.dtype for p in parameters)
        return parameters[0].sum()

    landscape(loss, parameters, points=2)
    assert seen == {np.dtype(np.float32)}


# What it leaves alone


class Stop:
    """Raises an error, in the middle of a landscape."""

    def __init__(self, loss, error, after):
        self.loss, self.error, self.left = loss, error, after

    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.loss()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("after", [0, 7])
def test_parameters_keep_their_arrays_gradients_and_graphs(error, after):
    parameters, loss = quadratic()
    earlier = loss()
    earlier.backward()
    before = [(p.data, p.data.copy(), p.grad, p.grad.copy()) for p in parameters]
    if error is None:
        landscape(loss, parameters, points=4)
    else:
        with pytest.raises(error):
            landscape(Stop(loss, error, after), parameters, points=4)
    for p, (data, numbers, grad, slopes) in zip(parameters, before, strict=True):
        assert p.data is data
        assert p.grad is grad
        np.testing.assert_array_equal(data, numbers)
        np.testing.assert_array_equal(grad, slopes)
    earlier.backward()  # a parameter that was born again would make this graph stale
    np.testing.assert_array_equal(parameters[0].grad, 2 * before[0][3])


def test_no_graph_is_recorded():
    w = Tensor([1.0, 2.0], requires_grad=True)
    tracked = []

    def loss():
        tracked.append((w**2).sum().requires_grad)
        return (w**2).sum()

    landscape(loss, [w], [(0, 1)], points=3)
    assert tracked == [False] * 3


# Planes


def test_filters_of_random_directions_have_the_norms_of_those_of_the_weights():
    parameters = [
        Tensor(RNG.standard_normal(shape), requires_grad=True)
        for shape in ((4, 3), (3,), (5, 2, 3, 3), (), (6, 2, 4))
    ]
    parameters[0].data[:, 1] = 0.0  # a neuron that is off stays off
    plane = random_plane(parameters)
    ends = np.cumsum([p.size for p in parameters])[:-1]
    for direction in plane.directions:
        matrix, bias, image, scale, sound = (
            part.reshape(p.shape)
            for part, p in zip(np.split(direction, ends), parameters, strict=True)
        )
        w = [p.data for p in parameters]
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=0), np.linalg.norm(w[0], axis=0))
        for d, p in ((image, w[2]), (sound, w[4])):
            norms = [[np.linalg.norm(x) for x in filters] for filters in (d, p)]
            np.testing.assert_allclose(*norms)
        assert not bias.any()
        assert not scale.any()
    assert len(random_plane(parameters, 1).directions) == 1
    np.testing.assert_array_equal(plane.origin, in_a_row(parameters))


def test_random_planes_are_seeded():
    model, _ = network()
    one, same = (random_plane(model.parameters(), rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.directions, same.directions)


def test_principal_directions_are_orthonormal_and_those_of_the_singular_value_decomposition():
    path = path_of(9, 7)
    plane = principal_plane(path)
    d = plane.directions
    np.testing.assert_allclose(d @ d.T, np.eye(2), atol=1e-12)
    _, s, right = np.linalg.svd(path - path.mean(axis=0))
    np.testing.assert_allclose(abs((d * right[:2]).sum(axis=1)), 1)
    shares = s**2 / (s**2).sum()
    assert plane.labels[0] == f"first principal component ({shares[0]:.0%})"
    np.testing.assert_array_equal(plane.origin, path[-1])
    shadow = plane.project(path)
    for x, (low, high) in zip(shadow.T, plane.bounds, strict=True):
        assert low < x.min() < x.max() < high
    lost = ((path - path.mean(axis=0)) ** 2).sum() - (s[:2] ** 2).sum()
    away = path - plane.at(shadow)
    assert ((away - away.mean(axis=0)) ** 2).sum() == pytest.approx(lost)


def test_paths_of_saved_weights_are_arrays_lists_or_state_dicts():
    model, _ = network()
    states = []
    for p in path_of(4, 21):
        for parameter, part in zip(model.parameters(), np.split(p, [10, 15, 20]), strict=True):
            parameter.data = part.reshape(parameter.shape)
        states.append(model.state_dict())
    lists = [list(state.values()) for state in states]
    for path in (lists, np.array([in_a_row(state) for state in states])):
        np.testing.assert_array_equal(
            principal_plane(path).directions, principal_plane(states).directions
        )


def test_a_line_between_weights_has_its_ends_at_0_and_1():
    parameters, loss = quadratic()
    start, end = path_of(2, 7)
    found = landscape(loss, parameters, line_between(start, end), points=3)
    expected = [energy(start), energy((start + end) / 2), energy(end)]
    np.testing.assert_allclose(found.loss, expected, rtol=1e-12)
    wider = landscape(loss, parameters, line_between(start, end), span=2, points=3)
    assert wider.axes[0].tolist() == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize("k", [1, 2])
def test_project_is_the_inverse_of_the_embedding(k):
    plane = Plane(RNG.standard_normal(7), RNG.standard_normal((k, 7)), ("",) * k, ((0, 1),) * k)
    a = RNG.standard_normal((6, k))
    np.testing.assert_allclose(plane.project(plane.at(a)), a, atol=1e-12)
    away = path_of(6, 7)
    missed = away - plane.at(plane.project(away))
    np.testing.assert_allclose(missed @ plane.directions.T, 0, atol=1e-10)


def test_a_path_that_diverges_is_projected_as_far_as_it_is_finite():
    found = landscape(SURFACES["bowl"], points=3)
    shadow = found.project([[1.0, 2.0], [np.nan, 1.0]])
    np.testing.assert_allclose(shadow[0], [1, 2])
    assert np.isnan(shadow[1]).any()


def test_a_landscape_can_be_saved():
    found = landscape(SURFACES["bowl"], points=3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).loss, found.loss)


def bad(directions=None, loss=None, **options):
    parameters, energy_of = quadratic()
    return landscape(loss or energy_of, parameters, directions, **options)


SQUARE = Plane(np.zeros(2), np.eye(2), ("x", "y"), ((0, 1),) * 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bad("random"), TypeError, "a Plane, or a list .* not 'random'"),
        (lambda: bad(3), TypeError, "not 3"),
        (lambda: bad([]), ValueError, "1 or 2 directions, not 0"),
        (lambda: bad(np.ones((3, 7))), ValueError, "1 or 2 directions, not 3"),
        (lambda: bad([np.ones(6)]), ValueError, r"has shape \(6,\), .* need \(7,\)"),
        (lambda: bad([[np.ones((3, 2)), np.ones(1)]]), ValueError, r"\[\(3, 2\), \(1,\)\], and"),
        (lambda: bad([np.ones(7), 2 * np.ones(7)]), ValueError, "a multiple of the other"),
        (lambda: bad([np.full(7, np.nan)]), ValueError, "weights and directions must be finite"),
        (lambda: bad([0]), ValueError, r"0 selects 6 weights .* such as \(0, 0, 0\)"),
        (lambda: bad([(2, 0)]), IndexError, r"\(2, 0\) begins with 2, .* are 0 to 1"),
        (lambda: bad([(0, 5, 0)]), IndexError, "index 5 is out of bounds"),
        (lambda: bad(SQUARE), ValueError, "for 2 weights, and the parameters have 7"),
        (lambda: bad(points=1), ValueError, "points must be .* at least 2, and it is 1"),
        (lambda: bad(span=0.0), ValueError, "span must be .* and it is 0"),
        (lambda: bad(span=-1.0), ValueError, "span must be .* and it is -1"),
        (lambda: bad(bounds=[(0, 1)]), ValueError, "for each of 2 directions"),
        (lambda: bad([1], bounds=[(1, 0)]), ValueError, r"not \(1, 0\)"),
        (lambda: bad(loss=lambda: np.ones(3)), ValueError, r"one number, .* \(3,\)"),
        (lambda: bad(loss=lambda: None), ValueError, "one number, not None"),
        (lambda: landscape(energy, []), ValueError, "list of parameters is empty"),
        (lambda: landscape(energy), ValueError, "only a whole Surface"),
        (lambda: landscape(lambda x: x, np.zeros(7)), ValueError, r"\(41, 41\), not an array"),
        (lambda: landscape(energy, [Value(1.0)]), TypeError, "parameters must all be Tensors"),
        (lambda: random_plane([Tensor([1.0])]), ValueError, "choose weights"),
        (lambda: principal_plane(path_of(2, 7)), ValueError, "at least 3 states, .* has 2"),
        (lambda: principal_plane(np.full((3, 7), 0.1)), ValueError, "the same"),
        (lambda: principal_plane(np.full((3, 7), np.inf)), ValueError, "nan or inf"),
        (lambda: principal_plane([[1.0], [1.0, 2.0]]), ValueError, r"these have \[1, 2\]"),
        (lambda: line_between(np.ones(2), np.ones(3)), ValueError, "start has 2 .* end has 3"),
        (lambda: SQUARE.project(np.ones((2, 3))), ValueError, "for 2 weights, and the path has 3"),
        (lambda: contour(landscape(SURFACES["two minima"])), ValueError, "1: use curve"),
        (lambda: curve(landscape(SURFACES["bowl"])), ValueError, "has 2: use contour"),
        (
            lambda: contour(Landscape((np.arange(2.0),) * 2, np.full((2, 2), np.nan), SQUARE)),
            ValueError,
            "not finite anywhere",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Pictures


def test_levels_grow_evenly_or_by_a_factor():
    np.testing.assert_allclose(contour_levels(np.array([1.0, 5.0]), 4, False), [1, 2, 3, 4, 5])
    np.testing.assert_allclose(contour_levels(np.array([1.0, 16.0]), 4, True), [1, 2, 4, 8, 16])
    above = contour_levels(np.array([-1.0, 9.0]), 4, True) + 1
    np.testing.assert_allclose(above[2:] / above[1:-1], (above[2] / above[1]))
    assert (np.diff(contour_levels(np.ones(3), 4, False)) > 0).all()


def test_heights_are_between_those_of_the_grid():
    found = landscape(lambda p: 2 * p[..., 0] - 3 * p[..., 1] + 1, np.zeros(2), points=4)
    points = np.array([[0.3, -0.2], [-1.0, 1.0], [0.9, 0.99], [2.0, 0.0], [np.nan, 0.0]])
    np.testing.assert_allclose(height(found, points), [2.2, -4, -0.17, np.nan, np.nan])


def drawn(figure):
    ax, *_ = figure.axes
    return ax, [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_map_has_its_paths_labels_and_lowest_point(tmp_path):
    found = landscape(SURFACES["bowl"], points=21)
    paths = {"one": [[2.0, 1.0], [1.0, 0.5]], "two": [[-2.0, 1.0], [np.nan, np.inf]]}
    ax, legend = drawn(contour(found, paths, log=True, title="Bowl", path=tmp_path / "map.png"))
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("x", "y", "Bowl")
    assert legend == ["one", "two: a dot here", "start", "lowest: 0"]
    np.testing.assert_allclose(ax.lines[2].get_xydata(), paths["one"])
    np.testing.assert_allclose(ax.lines[-1].get_xydata(), [[0, 0]], atol=1e-12)
    np.testing.assert_allclose(ax.get_xlim(), (-3, 3))
    assert ax.figure.axes[1].get_ylabel() == "loss"
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_bar_of_colours_and_the_height_have_the_name_of_what_is_shown():
    found = landscape(SURFACES["bowl"], points=5)
    assert contour(found, name="error").axes[1].get_ylabel() == "error"
    assert surface(found, name="error").axes[0].get_zlabel() == "error"


def test_a_path_that_does_not_move_on_the_map_is_called_a_dot():
    found = landscape(SURFACES["bowl"], points=21)
    ax, legend = drawn(contour(found, {"here": [[0.0, 0.01], [0.02, 0.0]]}))
    assert legend == ["here: a dot here", "lowest: 0"]
    dot, star = ax.lines
    assert dot.get_linestyle() == "None"
    assert dot.get_zorder() > star.get_zorder()
    assert dot.get_markersize() < star.get_markersize() / 2  # so that one sees both


def test_minima_that_are_known_have_stars_and_a_grey_map_has_no_bar():
    shown = SURFACES["himmelblau"]
    figure = contour(landscape(shown, points=21), minima=shown.minima, grey=True)
    ax, legend = drawn(figure)
    assert legend == ["minimum"]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), shown.minima, atol=1e-9)
    assert figure.axes == [ax]


def test_a_minimum_where_many_paths_end_is_not_below_their_marks():
    shown = SURFACES["himmelblau"]
    paths = {name: [[0.0, 0.0], shown.minima[0]] for name in "abcdefg"}
    ax, _ = drawn(contour(landscape(shown, points=21), paths, minima=shown.minima, grey=True))
    (star,) = (each for each in ax.lines if each.get_label() == "minimum")
    assert all(star.get_zorder() > each.get_zorder() for each in ax.lines if each is not star)


@pytest.mark.parametrize("f", [lambda p: p.sum(axis=-1), lambda p: p.sum(axis=-1) ** 2])
def test_a_slope_and_a_valley_have_no_lowest_point(f):
    figure = contour(landscape(f, np.zeros(2), points=5))
    assert figure.axes[0].get_legend() is None


def test_holes_are_left_out_of_a_map():
    x = np.linspace(-1, 1, 5)
    loss = np.add.outer(x**2, x**2)
    loss[0, :2] = np.nan, np.inf
    figure = contour(Landscape((x, x), loss, SQUARE))
    norm = figure.axes[0].collections[0].norm
    assert (norm.vmin, norm.vmax) == (0, 2)


def test_a_surface_carries_its_paths():
    found = landscape(SURFACES["bowl"], points=41)
    ax, legend = drawn(surface(found, {"one": [[2.0, 1.0], [1.0, 0.5]]}))
    assert legend == ["one", "start", "lowest: 0"]
    assert ax.get_zlabel() == "loss"
    x, y, z = ax.lines[2].get_data_3d()
    np.testing.assert_allclose(z, (x**2 + 10 * y**2) / 2, atol=0.05)


def test_a_curve_has_every_step_on_it():
    found = landscape(SURFACES["two minima"], points=101)
    ax, legend = drawn(curve(found, {"one": [1.5, 1.0, 0.9]}))
    assert legend[:2] == ["loss", "one"]
    x, y = ax.lines[3].get_data()
    np.testing.assert_allclose(y, SURFACES["two minima"](x[:, None]), atol=2e-3)
