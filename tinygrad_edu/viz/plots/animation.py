"""How does a picture change?"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import axes_of, tidy


def animate(
    draw: Callable[[Any, Any], object],
    frames: Iterable[Any],
    path: str | Path,
    *,
    fps: float = 8,
    hold: float = 1.0,
    width: float = 4.8,
    height: float = 4.8,
) -> None:
    """Save a GIF of draw(ax, frame) for each frame, on axes that are empty each time.

    fps            pictures in a second
    hold           seconds that the last one stays
    width, height  in hundreds of pixels

    The layout is that of the first picture, so that nothing jumps. Raises ValueError for no frames.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    frames = list(frames)
    if not frames:
        raise ValueError("there are no frames to draw")
    ax = axes_of(None, width, height)
    draw(ax, frames[0])
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    ax.figure.set_layout_engine("none")
    images = []
    for frame in frames:
        ax.clear()
        draw(tidy(ax), frame)
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
    durations = [1000 / fps] * len(images)
    durations[-1] += 1000 * hold
    first, *others = images
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)
