"""What does a network look at, what does it read wrong, and what does it look for?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.optim.settings import whole
from tinygrad_edu.viz.plots.style import COLORS, SERIES, axes_of, saved

CAPTION = 0.34  # of the height of an image, that its caption takes
GAP = 0.05  # of the width of an image, on each of its sides
NOT_FINITE = "purple"  # the colour of nan and of infinity
INCH = 1.0  # the width of an image in a figure of its own


def plot_images(
    images: Any,
    captions: Sequence[object] | None = None,
    *,
    columns: int | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """Images of one size beside and below each other, dark where they are large.

    images    (n, height, width), or {name of a row: such images}: each row has its name
    captions  a text above each image, in their order
    columns   how many images are in a row, at most 8 by default; with names, what the rows have
    limits    the numbers that are white and black, those of all images by default
    ax        matplotlib's axes to draw on, of a new figure by default

    What is not finite is purple. Returns matplotlib's figure. Raises ValueError for images or
    captions that do not fit.
    """
    import matplotlib

    rows = {}
    if isinstance(images, Mapping):
        rows = {name: stacked(x) for name, x in images.items()}
        if not rows:
            raise ValueError("there are no images")
        if len({x.shape[1:] for x in rows.values()}) > 1:
            raise ValueError(
                "all images need one size, and they have "
                + ", ".join(f"{name!r} {x.shape[1:]}" for name, x in rows.items())
            )
    stack = np.concatenate(list(rows.values())) if rows else stacked(images)
    if rows:
        if len({len(x) for x in rows.values()}) > 1:
            raise ValueError(
                "each row needs as many images as the others, and they have "
                + ", ".join(f"{name!r} {len(x)}" for name, x in rows.items())
            )
        columns = len(next(iter(rows.values())))
    if captions is not None and len(captions) != len(stack):
        raise ValueError(f"there are {len(captions)} captions for {len(stack)} images")
    finite = stack[np.isfinite(stack)]
    low, high = limits or (finite.min(), finite.max())
    greys = matplotlib.colormaps["gray_r"].with_extremes(bad=COLORS[NOT_FINITE])
    ax = draw_grid(stack, captions, columns, ax, cmap=greys, vmin=low, vmax=high)
    for row, name in enumerate(rows):
        ax.text(-0.1, row_place(row, captions) + 0.5, name, ha="right", va="center", size=11)
    ax.set_title(title)
    return saved(ax, path)


def plot_filters(
    filters: Any,
    *,
    columns: int | None = None,
    label: str = "weight",
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """Filters (n, height, width) on one scale: blue is negative, white 0, orange positive.

    label  what the scale beside them shows; columns, ax and path as in `plot_images`

    Returns matplotlib's figure. Raises ValueError for filters of another shape.
    """
    stack = stacked(filters)
    largest = np.max(np.abs(stack[np.isfinite(stack)])) or 1.0
    ax = draw_grid(stack, None, columns, ax, cmap=two_sided(), vmin=-largest, vmax=largest)
    ax.figure.colorbar(ax.images[0], cax=ax.inset_axes((1.02, 0, 0.025, 1)), label=label)
    ax.set_title(title)
    return saved(ax, path)


def stacked(images: Any) -> Any:
    """Images as one array (n, height, width)."""
    if isinstance(images, list | tuple) and len(sizes := {np.shape(x): 0 for x in images}) > 1:
        found = " and ".join(map(str, sizes))
        raise ValueError(f"all images need one size, and these have {found}")
    stack = np.asarray(images, dtype=float)
    if stack.ndim != 3 or not stack.size:
        raise ValueError(
            f"images are an array of shape (n, height, width), and this one is {stack.shape}: "
            "reshape it, or take one channel"
        )
    if not np.any(np.isfinite(stack)):
        raise ValueError("no number of these images is finite")
    return stack


def draw_grid(stack: Any, captions: Any, columns: int | None, ax: Any, **colors: Any) -> Any:
    """All images in one pair of axes, each a unit wide, with thin gaps; returns the axes."""
    n, height, width = stack.shape
    columns = whole("columns", min(n, 8) if columns is None else columns)
    lines = -(-n // columns)
    ratio = height / width
    deep = row_place(lines, captions) * ratio
    if ax is None:
        ax = axes_of(None, max(4.0, columns * INCH), max(1.5, deep * INCH + 0.4))
    for k, image in enumerate(stack):
        row, column = divmod(k, columns)
        top = row_place(row, captions) * ratio
        place = (column + GAP, column + 1 - GAP, top + (1 - GAP) * ratio, top + GAP * ratio)
        ax.imshow(image, extent=place, **colors)
        ax.add_patch(frame(place))
        if captions is not None:
            ax.text(column + 0.5, top, captions[k], ha="center", va="bottom", size=10)
    ax.set(xlim=(0, columns), ylim=(deep, -CAPTION * ratio if captions is not None else 0))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def frame(place: tuple[float, float, float, float]) -> Any:
    """A thin line around an image, so that its white border has an end."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = place
    return Rectangle(
        (left, top), right - left, bottom - top, fill=False, color="0.6", linewidth=0.8
    )


def row_place(row: int, captions: Any) -> float:
    """Where a row begins, in heights of an image."""
    return row * (1 if captions is None else 1 + CAPTION)


def two_sided() -> Any:
    """Shades from blue, below the middle, through white to orange."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = [COLORS[SERIES[0]], "white", COLORS[SERIES[1]]]
    found = LinearSegmentedColormap.from_list("two-sided", ends)
    return found.with_extremes(bad=COLORS[NOT_FINITE])
