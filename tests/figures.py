"""What is wrong with a figure, as a reader would see it 800 pixels wide."""

from contextlib import contextmanager
from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path as Outline
from matplotlib.text import Text

WIDTH = 800  # pixels
LETTER = 10  # pixels that the letters of a readable text are high, at least
LENGTH = 10  # pixels that a line which the legend names is long, at least
NONE = ("None", "none", " ", "", None)


def faults_of(figure, *, clipped=()):
    """Each fault in words: an empty list is a good figure.

    clipped  labels of lines whose points may lie outside, since the picture says so

    Looks for text that is too small, outside of the figure, or over other text; for entries of a
    legend that are not to be seen in the picture; and for marks that the edge of the axes cuts off.
    """
    before = figure.dpi
    figure.set_dpi(WIDTH / figure.get_figwidth())
    try:
        texts = texts_drawn(figure)
        return [
            *small(texts),
            *outside(texts, figure.bbox),
            *overlapping(texts),
            *entries_without_a_drawing(figure),
            *cut_off(figure, clipped),
        ]
    finally:
        figure.set_dpi(before)


def texts_drawn(figure):
    """(text, size of its letters, outline) of each text that is drawn, and at no other place."""
    found, draw = [], Text.draw

    def watched(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            found.append((text.get_text(), pixels(text, text.get_size()), outline(text, renderer)))
        return draw(text, renderer, *args, **kwargs)

    figure.draw_without_rendering()  # the layout
    with mock.patch.object(Text, "draw", watched):
        figure.draw_without_rendering()
    return found


def pixels(artist, points):
    return points * artist.get_figure(root=True).dpi / 72


def outline(text, renderer):
    """The corners of a text, which may be rotated."""
    around, angle = Text.get_window_extent(text, renderer), text.get_rotation()
    middle = np.array([(around.x0 + around.x1) / 2, (around.y0 + around.y1) / 2])
    text.set_rotation(0)
    level = Text.get_window_extent(text, renderer)
    text.set_rotation(angle)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * [level.width, level.height] / 2
    turn = np.deg2rad(angle)
    return middle + corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]


def small(texts):
    for text, size, _ in texts:
        if size < LETTER:
            yield f"{text!r} has letters of {size:.1f} pixels"


def outside(texts, page):
    for text, _, corners in texts:
        low, high = corners.min(axis=0), corners.max(axis=0)
        if min(*low) < -1 or high[0] > page.width + 1 or high[1] > page.height + 1:
            yield f"{text!r} is outside of the figure"


def overlapping(texts):
    for (one, _, a), (other, _, b) in combinations(texts, 2):
        if np.any(a.max(axis=0) < b.min(axis=0)) or np.any(b.max(axis=0) < a.min(axis=0)):
            continue
        shrunk = (Outline(shrink(corners)) for corners in (a, b))
        if next(shrunk).intersects_path(next(shrunk), filled=True):
            yield f"{one!r} overlaps {other!r}"


def shrink(corners):
    """Without the free space that each line of text has above and below; closed."""
    middle = corners.mean(axis=0)
    side, up = corners[1] - corners[0], corners[3] - corners[0]
    less = (1 - 2 / max(np.linalg.norm(side), 4)), 0.7
    half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) / 2 * less
    return middle + half @ [side, up]


def entries_without_a_drawing(figure):
    for legend in figure.findobj(Legend):
        if not legend.get_visible():
            continue
        places = [legend.axes] if legend.axes else [ax for ax in figure.axes if ax.axison]
        artists = [x for ax in places for x in (*ax.lines, *ax.collections, *ax.patches)]
        if not any(getattr(ax, "axison", False) for ax in places):  # an empty one, for a legend
            artists = [x for ax in figure.axes for x in (*ax.lines, *ax.collections, *ax.patches)]
        for key, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if not any(shows(artist, key) for artist in artists):
                yield f"{text.get_text()!r} in the legend is not to be seen in the picture"


def shows(artist, key):
    """Whether an artist looks as the key in the legend does, and can be seen."""
    if not artist.get_visible() or artist.get_alpha() == 0:
        return False
    if isinstance(artist, Patch) and not covers(artist):
        return False
    if isinstance(artist, PathCollection) and not len(seen(artist)):
        return False
    if isinstance(key, Line2D):
        if isinstance(artist, PathCollection):
            return key.get_linestyle() in NONE
        return isinstance(artist, Line2D) and line_shows(artist, key)
    if isinstance(artist, Line2D):
        return False
    faces = np.reshape(artist.get_facecolor(), (-1, 4))[:, :3]
    if isinstance(key, PathCollection) != isinstance(artist, PathCollection):
        return False
    return bool(np.any(np.abs(faces - to_rgb(face(key))).max(axis=1) < 0.01))


def covers(patch):
    """Whether a patch has an area, of which some is within its axes."""
    extent, box = patch.get_window_extent(), patch.axes.bbox
    return extent.width > 0 and extent.height > 0 and extent.overlaps(box)


def face(key):
    return np.reshape(key.get_facecolor(), (-1, 4))[0]


def line_shows(line, key):
    marker, stroke = (line.get_marker(), key.get_marker()), key.get_linestyle() not in NONE
    if key.get_marker() not in NONE and marker[0] != marker[1]:
        return False
    grey = len(set(to_rgb(key.get_color()))) == 1  # a key that is about the form, not the colour
    if not (grey and not stroke) and to_rgb(line.get_color()) != to_rgb(key.get_color()):
        return False
    points = seen(line)
    if not stroke:
        return len(points) > 0
    ends = np.ptp(points, axis=0) if len(points) else (0.0, 0.0)
    same = line.get_linestyle() == key.get_linestyle()
    return same and np.hypot(*ends) * WIDTH / line.get_figure(root=True).bbox.width > LENGTH


def seen(artist):
    """The points of an artist, in pixels, that are within its axes; lines cut at their edges."""
    box, points = artist.axes.bbox, places(artist)
    if isinstance(artist, Line2D) and len(points) > 1:
        margin = 1.0
        low, high = np.array([box.x0, box.y0]) - margin, np.array([box.x1, box.y1]) + margin
        steps = np.linspace(0, 1, 9)[:, None, None]
        points = (points[:-1] + steps * np.diff(points, axis=0)).reshape(-1, 2)
        return points[np.all((points >= low) & (points <= high), axis=1)]
    return points[[box.padded(1).contains(*point) for point in points]] if len(points) else points


def places(artist):
    """The finite points of an artist, in pixels."""
    line = isinstance(artist, Line2D)
    points = artist.get_xydata() if line else artist.get_offsets()
    transform = artist.get_transform() if line else artist.get_offset_transform()
    with np.errstate(all="ignore"):
        points = transform.transform(np.ma.filled(np.ma.asarray(points, float), np.nan))
    return points[np.isfinite(points).all(axis=1)]


def cut_off(figure, clipped):
    """Lines with marks of which an edge of the axes cuts off some, or of which some are beyond."""
    for ax in figure.axes:
        if not ax.axison or hasattr(ax, "get_zlim"):
            continue
        for artist in (*ax.lines, *(x for x in ax.collections if isinstance(x, PathCollection))):
            marked = not isinstance(artist, Line2D) or artist.get_marker() not in NONE
            label = artist.get_label()
            if not (marked and artist.get_visible() and artist.get_clip_on()) or label in clipped:
                continue
            points = places(artist)
            if isinstance(artist, Line2D) and isinstance(artist.get_markevery(), list):
                points = points[artist.get_markevery()]
            size = artist.get_markersize() if isinstance(artist, Line2D) else 4
            inner = ax.bbox.padded(-0.3 * pixels(artist, size))
            lost = sum(not inner.contains(*point) for point in points)
            if lost:
                yield f"{lost} of {len(points)} marks of {label!r} are cut off"


@contextmanager
def figures_saved():
    """Inside, a list of all figures that are saved."""
    saved, save = [], Figure.savefig

    def watched(figure, *args, **kwargs):
        saved.append(figure)
        return save(figure, *args, **kwargs)

    with mock.patch.object(Figure, "savefig", watched):
        yield saved


@pytest.fixture
def legible():
    """The test fails if a figure that it saves has a fault."""
    with figures_saved() as saved:
        yield
    faults = [fault for figure in dict.fromkeys(saved) for fault in faults_of(figure)]
    assert not faults, faults
