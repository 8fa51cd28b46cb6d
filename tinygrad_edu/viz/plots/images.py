"""What does a network see, where is it wrong, and which patterns do its filters find?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.optim.settings import whole
from tinygrad_edu.viz.plots.style import COLORS, SERIES, axes_of, saved

CAPTION = 0.34  # the height of a caption, as a share of the height of an image
GAP = 0.05  # the gap on each side of an image, as a share of its width
NOT_FINITE = "purple"  # the colour of nan and infinity
INCH = 1.0  # the width of an image in a new figure, in inches


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
    """Images of the same size in rows; large numbers are dark.

    images    an array (n, height, width); or {name: such an array}, one named row for each
    captions  a text above each image
    columns   the number of images in a row; default: at most 8. Named rows have their own number
    limits    the numbers that are drawn white and black; default: the smallest and the largest
    title     above the picture
    ax        matplotlib's axes to draw on; default: a new figure
    path      the file to save the picture in, such as "images.png"

    Numbers that are not finite are purple. Returns matplotlib's figure. Raises ValueError for
    images or captions that do not fit.
    """
    import matplotlib

    rows = {}
    if isinstance(images, Mapping):
        rows = {name: stacked(x) for name, x in images.items()}
        if not rows:
            raise ValueError("there are no images")
        if len({x.shape[1:] for x in rows.values()}) > 1:
            raise ValueError(
                "all images need the same size, and they have "
                + ", ".join(f"{name!r} {x.shape[1:]}" for name, x in rows.items())
            )
    stack = np.concatenate(list(rows.values())) if rows else stacked(images)
    if rows:
        if len({len(x) for x in rows.values()}) > 1:
            raise ValueError(
                "all rows need the same number of images, and they have "
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
    """Filters (n, height, width) on one colour scale: blue is negative, white 0, orange positive.

    label  the text beside the colour scale; columns, title, ax and path as in `plot_images`

    Returns matplotlib's figure. Raises ValueError for filters of any other shape.
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
        raise ValueError(f"all images need the same size, and these have {found}")
    stack = np.asarray(images, dtype=float)
    if stack.ndim != 3 or not stack.size:
        raise ValueError(
            f"images must be an array of shape (n, height, width), and this has {stack.shape}: "
            "reshape it, or select one channel"
        )
    if not np.any(np.isfinite(stack)):
        raise ValueError("no number in these images is finite: there is nothing to draw")
    return stack


def draw_grid(stack: Any, captions: Any, columns: int | None, ax: Any, **colors: Any) -> Any:
    """Draw all images on the same axes, each with width 1 and a small gap; return the axes."""
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
    """A thin line around an image, because one cannot see where a white border ends."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = place
    return Rectangle(
        (left, top), right - left, bottom - top, fill=False, color="0.6", linewidth=0.8
    )


def row_place(row: int, captions: Any) -> float:
    """The vertical position where a row begins, in heights of an image."""
    return row * (1 if captions is None else 1 + CAPTION)


def two_sided() -> Any:
    """A colour scale from blue (low) through white to orange (high)."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = [COLORS[SERIES[0]], "white", COLORS[SERIES[1]]]
    found = LinearSegmentedColormap.from_list("two-sided", ends)
    return found.with_extremes(bad=COLORS[NOT_FINITE])
