"""Plots of races of optimizers, and of batches of different sizes, from the results of `lab`."""

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.landscape import contour
from tinygrad_edu.viz.plots.style import (
    COLORS,
    MARKERS,
    SERIES,
    SMALL,
    axes_of,
    figure,
    label_ends,
    line,
    panels,
    saved,
    tidy,
)

FRAMES = 40  # the number of pictures in an animation
MILLISECONDS, END = 125, 2000  # how long each picture stays, and the last one
MANY = 1000  # a line of more steps is thin
LOWEST = 1e-12  # the lowest loss on a logarithmic axis, as a share of the loss at the start
# The lines of two weights.
TWO: tuple[dict[str, Any], ...] = {"linestyle": "-"}, {"linestyle": "--", "alpha": 0.5}
COLUMNS = 4  # of the panels of effective step sizes


def plot_race(race: Any, path: str | Path | None = None) -> Any:
    """The paths, the loss against the step, and the effective step size of each weight.

    race  the result of `lab.race`
    path  the file to save the picture in, such as "race.png"

    The effective step size is |Δw| / |g|: a horizontal line for gradient descent. For a network,
    the picture shows the median over the weights and the range of the middle 80 %. Returns
    matplotlib's figure.
    """
    rows = len(race.entries) // COLUMNS + 1
    fig = figure(10, 4.8 + 2.2 * rows)
    above, below = fig.subfigures(2, 1, height_ratios=[4.8, 2.2 * rows])
    left, right = above.subplots(1, 2)
    draw_paths(race, left)
    draw_losses(race.entries, right)
    draw_effective(race, below)
    if path is not None:
        fig.savefig(path)
    return fig


def draw_paths(race: Any, ax: Any = None) -> Any:
    """The path of each racer on the contours of the loss, with a marker at its end."""
    ax = axes_of(ax, 7, 6)
    paths = {entry.racer.name: entry.x for entry in race.entries}
    contour(race.landscape, paths, log=True, grey=True, minima=race.minima, title="Paths", ax=ax)
    handles, names = ax.get_legend_handles_labels()
    told = [k for k, name in enumerate(names) if name not in paths]  # the curves name the paths
    ax.legend([handles[k] for k in told], [names[k] for k in told], fontsize=SMALL)
    return ax


def draw_losses(entries: Any, ax: Any = None, rows: bool = False, labels: bool = True) -> Any:
    """The loss against the step, or with rows=True, against the rows of data seen so far.

    labels  whether to write the name of each curve at its end
    """
    ax = axes_of(ax)
    for k, entry in enumerate(entries):
        x = entry.rows_seen if rows else np.arange(len(entry.loss))
        look = line(k) | {"linewidth": 2 if len(x) < MANY else 1, "marker": MARKERS[k % 7]}
        ax.plot(x, entry.loss, **look, markevery=[-1], markersize=7, label=entry.racer.name)
    losses = np.concatenate([entry.loss for entry in entries])
    losses = losses[np.isfinite(losses)]
    start, low = losses[0], losses.min()
    if low >= 0 < start:
        seen = losses[losses >= LOWEST * start]
        low, high = seen.min(), min(seen.max(), 30 * start)
        room = max(1.05, (high / low) ** 0.06)
        ax.set_ylim(low / room, high * room)
        ax.set_yscale("log")
    else:
        height = (start - low) or 1.0
        ax.set_ylim(low - 0.05 * height, start + 0.2 * height)
    ax.set_xlabel("rows of data seen" if rows else "step")
    ax.set_ylabel("loss")
    ax.set_title("Loss")
    tidy(ax)
    if labels:
        label_ends(ax)
    return ax


def draw_effective(race: Any, fig: Any = None) -> Any:
    """|Δw| / |g| of each weight against the step: a panel for each racer."""
    entries = race.entries
    rows = len(entries) // COLUMNS + 1
    fig = figure(10, 2.4 * rows) if fig is None else fig
    grid = list(fig.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).flat)
    typical = np.concatenate([quantiles(e.effective_lr).ravel() for e in entries])
    typical = typical[np.isfinite(typical) & (typical > 0)]
    if len(typical):
        low, high = np.quantile(typical, (0.01, 0.99))
        grid[0].set_ylim(low / 3, high * 3)
    for k, (ax, entry) in enumerate(zip(grid, entries, strict=False)):
        color = COLORS[SERIES[k % len(SERIES)]]
        sizes = entry.effective_lr
        sizes = np.where(sizes > 0, sizes, np.nan)
        if sizes.shape[1] == 2:
            for name, size, look in zip(race.landscape.labels, sizes.T, TWO, strict=True):
                ax.plot(size, color=color, lw=2, label=name, **look)
        else:
            low, middle, high = quantiles(sizes)
            ax.fill_between(np.arange(len(sizes)), low, high, color=color, alpha=0.25, lw=0,
                            label="middle 80 %")  # fmt: skip
            ax.plot(middle, color=color, lw=2, label="median weight")
        ax.set_yscale("log")
        ax.set_title(entry.racer.name, fontsize=12)
        tidy(ax).tick_params(labelbottom=k + COLUMNS >= len(entries))
    for ax in grid[len(entries) :]:
        ax.set_axis_off()
    key = grid[len(entries) - 1].get_legend_handles_labels()
    grid[len(entries)].legend(*key, fontsize=12, loc="center")
    fig.supxlabel("step", fontsize=12)
    fig.supylabel("effective step size |Δw| / |g|", fontsize=12)
    return fig


def quantiles(sizes: Any) -> Any:
    """(3, steps) the quantiles 0.1, 0.5 and 0.9 over the weights; nan where none is above 0."""
    out = np.full((3, len(sizes)), np.nan)
    for t, row in enumerate(sizes):
        known = row[np.isfinite(row) & (row > 0)]
        if len(known):
            out[:, t] = np.quantile(known, (0.1, 0.5, 0.9))
    return out


def animate_race(race: Any, path: str | Path, frames: int = FRAMES) -> Path:
    """An animation of the paths and the losses, step by step: a GIF, or an HTML page with a slider.

    race    the result of `lab.race`
    path    ends in .gif or .html; the page is one file and works without a network
    frames  the largest number of pictures

    Returns the path. Raises ValueError for any other ending.
    """
    path = Path(path)
    if path.suffix == ".gif":
        save_gif(race, path, frames)
    elif path.suffix == ".html":
        path.write_text(page(race, frames), encoding="utf-8")
    else:
        raise ValueError(f"an animation is a .gif or a .html file, and this is {path.name!r}")
    return path


def moments(race: Any, frames: int) -> list[int]:
    """The steps to show, first and last included; more early ones, because those are longer."""
    last = max(len(entry.x) for entry in race.entries) - 1
    return sorted({round(last * share**1.5) for share in np.linspace(0, 1, frames)})


def frames_of(race: Any, frames: int) -> Iterator[bytes]:
    """A PNG picture for each of the `moments`."""
    fig = figure(9, 5.2)
    left, right = fig.subplots(1, 2)
    draw_paths(race, left)
    draw_losses(race.entries, right, labels=False)
    fig.legend(handles=right.lines, loc="outside lower center", ncols=4, frameon=False)
    curves = right.lines[:]
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # so that nothing moves from frame to frame
    for t in moments(race, frames):
        for k, entry in enumerate(race.entries):
            at = race.landscape.project(entry.x[: t + 1])
            for path in left.lines:
                if path.get_gid() == entry.racer.name:
                    path.set_data(*at.T)
            curves[k].set_data(np.arange(len(at)), entry.loss[: t + 1])
        left.set_title(f"Paths to step {t}")
        file = io.BytesIO()
        fig.savefig(file, format="png", dpi=80)
        yield file.getvalue()


def save_gif(race: Any, path: Path, frames: int) -> None:
    from PIL import Image

    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in frames_of(race, frames)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(shades())
    first, *rest = [x.quantize(palette=palette, dither=Image.Dither.NONE) for x in pictures]
    duration = [MILLISECONDS] * len(rest) + [END]
    first.save(path, save_all=True, append_images=rest, duration=duration, loop=0)


def shades() -> list[int]:
    """A palette for a GIF: all colours, each also mixed with black and with white, and greys."""
    colors = [tuple(bytes.fromhex(color[1:])) for color in COLORS.values()]
    mixed = [
        [round(share * c + (1 - share) * end) for c in color]
        for color in colors
        for share, end in ((1, 0), (0.6, 0), (0.3, 0), (0.75, 255), (0.5, 255), (0.25, 255))
    ]
    greys = [[level] * 3 for level in range(0, 256, 15)]
    return [c for color in mixed + greys for c in color]


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>body {{ font: 16px sans-serif; max-width: 900px; margin: 1em auto }}
img {{ width: 100% }} input {{ width: 80%; vertical-align: middle }}</style>
<img id="picture" alt="{title}">
<p><button id="play">Play</button> <input id="slider" type="range" min="0" value="0"
aria-label="frame"></p>
<script>
const frames = [{frames}];
const picture = document.getElementById("picture"), slider = document.getElementById("slider");
const play = document.getElementById("play");
let timer = null;
function show() {{ picture.src = "data:image/png;base64," + frames[slider.value]; }}
function stop() {{ clearInterval(timer); timer = null; play.textContent = "Play"; }}
function next() {{
  slider.value = Number(slider.value) + 1;
  show();
  if (Number(slider.value) === frames.length - 1) stop();
}}
slider.max = frames.length - 1;
slider.addEventListener("input", () => {{ stop(); show(); }});
play.addEventListener("click", () => {{
  if (timer) return stop();
  if (Number(slider.value) === frames.length - 1) slider.value = 0;
  timer = setInterval(next, {milliseconds});
  play.textContent = "Pause";
}});
show();
</script>
</html>
"""


def page(race: Any, frames: int) -> str:
    """All frames in one HTML page."""
    title = html.escape("Race of " + ", ".join(entry.racer.name for entry in race.entries))
    pictures = [f'"{base64.b64encode(png).decode()}"' for png in frames_of(race, frames)]
    return PAGE.format(title=title, frames=",\n".join(pictures), milliseconds=MILLISECONDS)


def plot_batches(entries: Any, noise: Any, path: str | Path | None = None) -> Any:
    """The gradient's noise against the batch size; the loss against the steps and the rows seen.

    entries  the result of `lab.compare_batches`
    noise    the result of `lab.gradient_noise`
    path     the file to save the picture in, such as "batches.png"

    Returns matplotlib's figure.
    """
    above, left, right = panels("aa;bc", 9, 8)
    draw_noise(noise, above)
    draw_losses(entries, left, labels=False).set(title="The loss by steps")
    left.set_xscale("symlog", linthresh=1)
    left.set_xlim(0, 1.5 * max(len(entry.gradient) for entry in entries))
    draw_losses(entries, right, rows=True).set(title="The same loss by cost", ylabel="")
    return saved(above, path)


def draw_noise(noise: Any, ax: Any = None) -> Any:
    """E |g_B - g|² against B, measured and computed."""
    ax = axes_of(ax)
    n, sizes = noise.batch_size[-1], noise.batch_size
    inside = noise.theory > 0  # a batch of all rows has no noise, and the axis is logarithmic
    ax.plot(sizes[inside], noise.theory[inside], **line(0), label="theory")
    ax.plot(sizes, noise.row_variance / sizes, **line(1), label=r"$\sigma^2 / B$")
    ax.plot(sizes[inside], noise.variance[inside], "o", color="black", label="measured")
    ax.axhline(noise.size, color=COLORS["grey"], lw=1.5)
    ax.text(n, noise.size, "$|g|^2$", ha="right", va="bottom", fontsize=SMALL)
    ax.set(xscale="log", yscale="log", title="Noise of the gradient")
    ax.set(xlabel="batch size B", ylabel="mean of $|g_B - g|^2$")
    ax.legend(fontsize=SMALL)
    return tidy(ax)
