"""How does a picture become an animation?"""

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
    """Save a GIF with one picture for each frame: draw(ax, frame), each time on empty axes.

    draw           a function of matplotlib's axes and one item of `frames`
    fps            pictures per second
    hold           how many more seconds the last picture stays
    width, height  in hundreds of pixels

    All pictures have the layout of the first one, so that nothing jumps. Raises ValueError if there
    are no frames.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    frames = list(frames)
    if not frames:
        raise ValueError("there are no frames to draw: frames must have at least one item")
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
