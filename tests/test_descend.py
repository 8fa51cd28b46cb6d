"""lab: descents and their verdicts against theory, surfaces, basins of attraction."""

import itertools
import warnings

import numpy as np
import pytest

from tinygrad_edu import Tensor, grad, hessian
from tinygrad_edu.lab.descent import descend, verdict
from tinygrad_edu.lab.minima import basins
from tinygrad_edu.lab.surfaces import SURFACES
from tinygrad_edu.viz import plots


def square(x):
    return (x - 2) ** 2


def test_a_trajectory_holds_every_point_loss_gradient_and_step():
    path = descend(square, 0.0, lr=0.1, steps=3)
    np.testing.assert_allclose(path.x, [0, 0.4, 0.72, 0.976])
    np.testing.assert_allclose(path.loss, (path.x - 2) ** 2)
    np.testing.assert_allclose(path.gradient, 2 * (path.x - 2))
    np.testing.assert_allclose(path.step, -0.1 * path.gradient[:-1])
    assert len(path) == 3
    assert str(path) == "SGD, learning rate 0.1: 3 steps, loss 4 -> 1.04858"


@pytest.mark.parametrize(
    ("lr", "kind"),
    [
        (0.01, "slow"),
        (0.1, "converged"),
        (0.5, "converged"),
        (0.9, "converged"),
        (1.0, "oscillating"),
        (1.1, "diverged"),
        (1e3, "diverged"),
    ],
)
@pytest.mark.parametrize("start", [0.0, -5.0, 3.0])
def test_the_rates_of_the_quadratic(lr, kind, start):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert verdict(descend(square, start, lr, 100)).kind == kind


def test_at_one_half_one_step_lands_on_the_minimum():
    assert descend(square, 0.0, 0.5, 5).x[1] == 2.0


def test_each_step_multiplies_the_distance_by_one_minus_two_lr():
    for lr in (0.01, 0.1, 0.9, 1.1):
        distance = descend(square, 0.0, lr, 20).x - 2
        np.testing.assert_allclose(distance[1:] / distance[:-1], 1 - 2 * lr)


GRID = list(
    itertools.product(
        np.geomspace(0.01, 100, 17),
        (0.05, 0.3, 0.9, 0.99, 1.0, 1.5, 1.9, 1.99, 2.0, 2.01, 2.5, 5.0),
    )
)


def test_verdicts_agree_with_theory_on_two_hundred_quadratics_and_rates():
    assert len(GRID) >= 200
    for curvature, product in GRID:
        path = descend(
            lambda x, a=curvature: a * (x - 1) ** 2 / 2, 4.0, product / curvature, steps=200
        )
        factor = abs(1 - product)
        if factor > 1:
            expected = "diverged"
        elif factor == 1:
            expected = "oscillating"
        else:
            expected = "converged" if factor**200 <= 1e-3 else "slow"
        assert verdict(path).kind == expected, (curvature, product, str(verdict(path)))


def test_reasons_are_words_with_numbers():
    assert str(verdict(descend(square, 0.0, 0.01, 100))) == (
        "slow: the gradient shrinks by a factor of 0.98 in every step: about 242 more steps are "
        "needed"
    )
    assert "factor of 1.2 in" in verdict(descend(square, 0.0, 1.1, 50)).reason
    assert "the loss is infinite after step 78" in verdict(descend(square, 0.0, 50.0, 300)).reason
    assert "100% of the steps turn back" in verdict(descend(square, 0.0, 1.0, 50)).reason
    assert "stationary" in verdict(descend(square, 2.0, 0.1, 5)).reason


def test_which_minimum_of_the_sine_depends_on_the_start_and_on_the_rate():
    def end(start, lr):
        return descend(np.sin, start, lr, 500).x[-1]

    assert end(0.0, 0.1) == pytest.approx(-np.pi / 2)
    assert end(3.0, 0.1) == pytest.approx(3 * np.pi / 2)
    assert abs(end(1.5, 30.0) - end(1.5, 0.1)) > 1


def test_other_optimizers_and_points_of_several_coordinates():
    path = descend(SURFACES["bowl"], [2.0, 1.0], 0.05, 200, "SGD", momentum=0.8)
    assert path.x.shape == (201, 2)
    assert verdict(path).kind == "converged"
    assert verdict(descend(SURFACES["bowl"], [2.0, 1.0], 0.1, 300, "Adam")).kind == "converged"


def test_a_function_that_becomes_nan_ends_the_descent():
    path = descend(np.sqrt, 1.0, 5.0, 10)
    assert len(path) == 1
    assert np.isnan(path.loss[-1])
    assert str(verdict(path)) == "diverged: the loss is nan after step 1"
    assert str(verdict(descend(np.log, -1.0, 0.1, 10))) == "diverged: the loss is nan at the start"


def test_a_gradient_is_large_before_it_is_infinite():
    """Its norm is taken without squares, which would be infinite."""
    path = descend(lambda x: np.sum(x**2) * 1e180, [1.0, 1.0], 1e-170, 6)
    assert np.all(np.isfinite(path.gradient))
    assert str(verdict(path)).startswith("diverged: the gradient grows by a factor of 2e+10 in")


@pytest.mark.parametrize(
    ("f", "start", "steps", "reason"),
    [
        (lambda x: -(x**2), 1.0, 50, "the loss falls, and the gradient grows by a factor of 1.2"),
        (np.sin, 1.5, 20, "the loss falls, and the gradient grows by a factor of 1.09"),
        (lambda x: -x, 1.0, 50, "the loss falls, and the gradient does not shrink"),
    ],
)
def test_who_falls_and_does_not_slow_down_is_not_called_slow(f, start, steps, reason):
    found = verdict(descend(f, start, 0.1, steps))
    assert found.kind == "falling"
    assert found.reason.startswith(reason)


def test_who_does_not_move_is_slow():
    path = descend(square, 0.0, 1e-300, 50)
    assert str(verdict(path)) == "slow: the gradient does not shrink, and the loss does not fall"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: descend(lambda x: x * 1.0, [1.0, 2.0], 0.1, 5), r"scalar Tensor, not .*\(2,\)"),
        (lambda: descend(lambda x: 3.0, 1.0, 0.1, 5), "scalar Tensor, not 3.0"),
        (lambda: descend(square, 1.0, -0.1, 5), "lr must be finite"),
        (lambda: descend(square, 1.0, 0.1, 0), "steps must be a whole number"),
        (lambda: descend(square, np.nan, 0.1, 5), "x0 must be finite"),
        (lambda: descend(square, 1.0, 0.1, 5, "Adma"), "one of .*Adam.* not 'Adma'"),
        (lambda: basins(SURFACES["bowl"], 0.1, points=1), "points must be at least 2"),
        (lambda: basins(SURFACES["bowl"], 0.1, noise=-1.0), "noise must be finite"),
        (lambda: basins(SURFACES["bowl"], 0.1, optimizer="Muon"), "mixes the starts"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Surfaces and basins


@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
def test_minima_are_where_the_gradient_is_0_and_the_curvature_is_not_negative(surface):
    for minimum in map(np.array, surface.minima):
        np.testing.assert_allclose(grad(surface.f)(minimum), 0, atol=1e-12)
        assert np.linalg.eigvalsh(hessian(surface.f)(minimum))[0] > 0
        assert surface(minimum) >= surface.lowest - 1e-12
        for coordinate, (low, high) in zip(minimum, surface.bounds, strict=True):
            assert low <= coordinate <= high


@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
def test_surfaces_take_rows_of_points(surface):
    points = np.random.default_rng(0).standard_normal((4, 3, len(surface.bounds)))
    rows = surface(Tensor(points)).data
    assert rows.shape == (4, 3)
    np.testing.assert_allclose(rows[2, 1], surface(points[2, 1]))


def test_a_start_in_a_grid_goes_where_it_goes_alone():
    surface = SURFACES["himmelblau"]
    found = basins(surface, 0.01, 200, "SGD", points=5, momentum=0.5)
    for i, j in ((0, 0), (1, 3), (4, 2)):
        start = found.axes[0][i], found.axes[1][j]
        alone = descend(surface, start, 0.01, 200, momentum=0.5)
        np.testing.assert_allclose(found.end[i, j], alone.x[-1], rtol=1e-10)


def test_the_border_between_two_minima_is_the_maximum_between_them():
    surface = SURFACES["two minima"]
    (x,), goal = (found := basins(surface, 0.1, points=61)).axes, found.goal
    top = np.roots([1, 0, -1, 0.2]).real
    top = top[(top > -1) & (top < 0.5)].item()
    np.testing.assert_array_equal(goal, np.where(x < top, 0, 1))
    assert str(found).startswith("SGD, learning rate 0.1: ")
    assert sum(found.shares) == pytest.approx(1)


def test_momentum_and_noise_carry_more_starts_to_the_lower_minimum():
    surface, rng = SURFACES["two minima"], np.random.default_rng(0)
    plain = basins(surface, 0.1).shares[0]
    assert basins(surface, 0.1, momentum=0.9).shares[0] > plain
    assert basins(surface, 0.1, noise=0.8, rng=rng).shares[0] > plain


def test_a_rate_beyond_the_limit_finds_no_minimum():
    assert basins(SURFACES["bowl"], 0.21, points=4).shares == [0.0, 1.0]
    assert basins(SURFACES["bowl"], 0.19, points=4).shares == [1.0, 0.0]


# Plots of them


def test_a_path_is_drawn_on_the_curve_until_it_leaves_the_picture(tmp_path):
    path = descend(square, 0.0, 1.1, 20)
    figure = plots.path_on_curve(square, path, bounds=(-2.0, 6.0), path=tmp_path / "path.png")
    curve, _, points, start = figure.axes[0].lines
    np.testing.assert_allclose(curve.get_ydata(), (curve.get_xdata() - 2) ** 2)
    last = int(np.argmin((path.x >= -2) & (path.x <= 6)))
    np.testing.assert_array_equal(points.get_xdata(), path.x[:last])
    np.testing.assert_array_equal(points.get_ydata(), path.loss[:last])
    assert (start.get_xdata()[0], start.get_ydata()[0]) == (0.0, 4.0)
    assert (tmp_path / "path.png").read_bytes().startswith(b"\x89PNG")


def test_losses_are_drawn_above_the_minimum_with_a_line_for_each_rate():
    paths = [descend(square, 0.0, lr, 5) for lr in (0.1, 0.3)]
    (ax,) = plots.loss_curves([path.loss for path in paths], ["a", "b"]).axes
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    (ax,) = plots.loss_curves(paths).axes
    assert [text.get_text() for text in ax.texts] == ["lr = 0.1", "lr = 0.3"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), paths[1].loss)
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "log")


def test_a_map_of_basins_needs_two_axes():
    found = basins(SURFACES["himmelblau"], 0.01, 50, points=8)
    (ax,) = plots.basin_map(found).axes
    np.testing.assert_array_equal(np.ravel(ax.collections[0].get_array()), found.goal.T.ravel())
    assert len(ax.lines) == 4  # a star for each minimum
    with pytest.raises(ValueError, match="a curve has one axis, and these basins have 2"):
        plots.basin_curve(SURFACES["himmelblau"], found)
    with pytest.raises(ValueError, match="a map has two axes, and these basins have 1"):
        plots.basin_map(basins(SURFACES["two minima"], 0.1, 5, points=4))
