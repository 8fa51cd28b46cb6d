"""Where does the number on each edge stand? At the middle of its curve, if there is room."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.notation.numbers import number
from tinygrad_edu.viz.graph.data import GraphEdge

Point = tuple[float, float]
Size = tuple[float, float]
Curve = list[Point]  # a start, then for each cubic piece two control points and its end

LABEL = 62, 16  # room for a number on an edge, in pixels; more for a long one
LETTER = 7.5  # the width of a digit
BESIDE = 11  # pixels from a level curve to the middle of its number
PLACES = (0.5, 0.43, 0.57, 0.36, 0.64, 0.29, 0.71, 0.22, 0.78, 0.15, 0.85)  # the best one first
STEPS = 24  # points of a piece of a curve


def room_for(edge: GraphEdge) -> Size:
    width, height = LABEL
    return max(width, width_of(edge)), height


def width_of(edge: GraphEdge) -> float:
    return LETTER * len(number(edge.contribution or 0.0))


def label_places(
    edges: Sequence[GraphEdge],
    curves: Sequence[Curve],
    centres: Sequence[Point],
    sizes: Sequence[Size],
) -> tuple[Point, ...]:
    """The centre of the number on each edge: beside its curve, off the nodes and other numbers.

    The numbers of short edges, which have the fewest places, come first. If no place is free, the
    number stands on the middle of its curve.
    """
    taken = np.zeros((len(centres) + len(edges), 4))  # centre and half size of each box
    taken[: len(centres), :2] = centres
    taken[: len(centres), 2:] = np.array(sizes) / 2
    count = len(centres)
    lines = [line_along(curve) for curve in curves]
    found: list[Point] = [point_at(line, 0.5) for line in lines]
    for k in sorted(range(len(edges)), key=lambda k: lines[k][-1][0]):
        if edges[k].contribution is None:
            continue
        half = np.array(room_for(edges[k])) / 2
        for place in places_beside(lines[k], width_of(edges[k])):
            apart = np.abs(taken[:count, :2] - place) >= taken[:count, 2:] + half
            if apart.any(axis=1).all():
                found[k] = place
                break
        taken[count] = *found[k], *half
        count += 1
    return tuple(found)


def line_along(curve: Curve) -> Any:
    """Points of a curve, each after its distance from the start along the curve."""
    pieces = np.array([curve[i : i + 4] for i in range(0, len(curve) - 1, 3)])
    a, b, c, d = (pieces[:, i, None] for i in range(4))
    t = np.linspace(0, 1, STEPS)[:, None]
    points = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
    points = points.reshape(-1, 2)
    steps = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    return np.column_stack([np.cumsum(steps), points])


def point_at(line: Any, share: float) -> Point:
    """The point at this share of the whole length."""
    lengths, xs, ys = line.T
    at = share * lengths[-1]
    return float(np.interp(at, lengths, xs)), float(np.interp(at, lengths, ys))


def places_beside(line: Any, width: float) -> list[Point]:
    """Places for a number, the best first: above and below a level curve, beside a steep one."""
    found = []
    for share in PLACES:
        x, y = point_at(line, share)
        (x1, y1), (x2, y2) = point_at(line, share - 0.05), point_at(line, share + 0.05)
        length = np.hypot(x2 - x1, y2 - y1) or 1.0
        right, down = (y2 - y1) / length, -(x2 - x1) / length  # across the curve
        if down > 0:
            right, down = -right, -down
        across = BESIDE + abs(right) * (width - LABEL[1]) / 2
        found += [(x + right * across, y + down * across), (x - right * across, y - down * across)]
    return found
