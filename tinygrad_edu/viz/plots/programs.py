"""Which arrays does a compiled step need at each of its lines, and how much memory do they take?"""

from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.viz.plots.style import COLORS, figure, saved, tidy

SECTIONS = {"forward": "blue", "backward": "vermillion", "update": "green"}
INPUTS = {"argument": "arguments", "parameter": "parameters", "other": "other arrays"}
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
NAMED = 48  # the largest number of lines, and of bars, with room for names
WIDTH = 7.7  # the width of all lines together, in inches
LETTER = 0.075  # the width of a letter in a bar, in inches


class Bar(NamedTuple):
    """An array in memory, and the results that it contains, one after the other."""

    label: str
    nbytes: int
    until: int  # the number of the first line after the array is freed; 0 if it is always there
    spans: list[tuple[int, int, str]]  # (start, end, name) of each result


def plot_program(step: Any, title: str = "", path: str | Path | None = None) -> Any:
    """Above: the arrays that a compiled step needs at each line; below: how many bytes they take.

    step   the result of `compile`, called at least once; the picture shows the program of the last
           call
    title  above the picture
    path   the file to save the picture in, such as "program.png"

    Each bar is an array; a thicker bar has more bytes. It is coloured while its content is needed,
    in the colour of the section that made it, with the names of `step.source`. It is pale where the
    program only keeps the memory for later results. It is hatched where an array that was made in
    this run is no longer needed, but not freed yet. Inputs are black and not part of the sums; a
    dot marks a line that writes to one. Above 48 lines or arrays there are no names.
    Returns matplotlib's figure. Raises CompileError before the first call, and ValueError for a
    program without arrays.
    """
    timeline = step.timeline()
    bars = bars_of(timeline)
    if not bars:
        raise ValueError("this program makes no arrays to draw, only single numbers")
    n = len(timeline.lines)
    named = max(n, len(bars)) <= NAMED
    height = min(9.0, 3.2 + 0.27 * (len(bars) + len(INPUTS))) if named else 7.5
    fig = figure(9.6, height)
    above, below = fig.subplots(2, sharex=True, height_ratios=(height - 2.6, 2.0))
    draw_sections(above, below, timeline)
    draw_bars(above, bars, timeline, WIDTH / n if named else 0.0)
    draw_sums(below, timeline)
    below.set_xlabel("line of the program")
    if named:
        labels = [name or "if" for name in timeline.lines]
        below.set_xticks(np.arange(n) + 0.5, labels, rotation=90, family="monospace", size=9)
        below.tick_params(axis="x", length=0, pad=6)
        below.set_xlabel("the lines of the program, by what they make")
    if title:
        fig.suptitle(title)
    return saved(below, path)


def bars_of(timeline: Any) -> list[Bar]:
    """A bar for each reused memory and for each new array, in the order of their first use."""
    bars = {name: Bar(name, nbytes, 0, []) for name, nbytes in timeline.memory.items()}
    for i, x in enumerate(timeline.arrays):
        bar = bars.setdefault(x.memory or str(i), Bar(x.name, x.nbytes, x.until, []))
        bar.spans.append((x.start, x.end, x.name))
    return sorted(bars.values(), key=lambda bar: bar.spans[0][0])


def draw_sections(above: Any, below: Any, timeline: Any) -> None:
    """Forward, backward and update, each with its own background colour."""
    start = 0
    for phase, lines in groupby(timeline.phases):
        end, color = start + len(list(lines)), COLORS[SECTIONS[phase]]
        for ax in (above, below):
            ax.axvspan(start, end, color=color, alpha=0.07, linewidth=0)
        above.annotate(
            phase, ((start + end) / 2, 1.01), xycoords=above.get_xaxis_transform(),
            ha="center", va="bottom", color=color, size=13, weight="bold",
        )  # fmt: skip
        start = end


def draw_bars(ax: Any, bars: list[Bar], timeline: Any, width: float) -> None:
    """The bars one below the other. width: the inches of a line; 0: draw no names."""
    n, largest = len(timeline.lines), max(bar.nbytes for bar in bars)
    ticks, labels, y = [], [], 0.0
    grey = {"edgecolor": COLORS["grey"], "alpha": 0.5, "linewidth": 0}
    for bar in bars:
        thick = 0.5 + 0.5 * (bar.nbytes / largest) ** 0.5
        y -= thick + 0.2
        end = bar.spans[-1][1]
        if not bar.until:
            ax.broken_barh([(0, n)], (y, thick), facecolor=COLORS["grey"], alpha=0.16)
        elif bar.until > end:
            spare = [(end, bar.until - end)]
            ax.broken_barh(spare, (y, thick), facecolor="none", hatch="////", **grey)
        ax.broken_barh(
            [(start, end - start) for start, end, _ in bar.spans], (y, thick),
            facecolor=[COLORS[SECTIONS[timeline.phases[start]]] for start, _, _ in bar.spans],
            edgecolor="white", linewidth=1.2 if width else 0.2, alpha=0.85,
        )  # fmt: skip
        for start, end, name in bar.spans:
            if len(name) * LETTER < (end - start) * width:
                ax.text(
                    (start + end) / 2, y + thick / 2, name, ha="center", va="center_baseline",
                    color="white", size=9, family="monospace", weight="bold",
                )  # fmt: skip
        ticks.append(y + thick / 2)
        labels.append(f"{bar.label}  {size(bar.nbytes)}")
    for kind, what in INPUTS.items():
        if inputs := [x for x in timeline.inputs if x.kind == kind]:
            y -= 0.7
            ax.broken_barh([(0, n)], (y, 0.3), facecolor=COLORS["black"], alpha=0.75)
            at = [x.changed_at + 0.5 for x in inputs if x.changed_at is not None]
            ax.plot(at, [y + 0.15] * len(at), "o", color="white", markersize=4 if width else 1)
            ticks.append(y + 0.15)
            labels.append(f"{what}  {size(sum(x.nbytes for x in inputs))}")
    tidy(ax).grid(visible=False)
    ax.set(xlim=(0, n), ylim=(y - 0.3, 0.1), ylabel="memory, by array")
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks(ticks if width else [], labels if width else [], family="monospace", size=9)


def draw_sums(ax: Any, timeline: Any) -> None:
    """The bytes that the step takes without and with the program, and those that it needs."""
    scale, unit = unit_of(max(*timeline.eager, *timeline.taken))
    curves = {
        "without a program": (timeline.eager, COLORS["black"], "--"),
        "the program": (timeline.taken, COLORS["blue"], "-"),
    }
    x = np.arange(len(timeline.lines) + 1)
    for name, (sizes, color, linestyle) in curves.items():
        y = np.array([*sizes, sizes[-1]]) / scale
        label = f"{name}: at most {size(max(sizes))}"
        ax.step(x, y, where="post", color=color, linestyle=linestyle, label=label)
        peak = int(np.argmax(sizes))
        if min(sizes) < max(sizes):
            ax.plot(peak + 0.5, y[peak], "o", color=color)
    needed = np.array([*timeline.needed, timeline.needed[-1]]) / scale
    ax.fill_between(
        x, needed, step="post", color=COLORS["sky blue"], alpha=0.6, linewidth=0,
        label="needed at this line",
    )  # fmt: skip
    ax.set(ylabel=f"memory ({unit})", ylim=(0, 1.4 * max(*timeline.eager, *timeline.taken) / scale))
    ax.legend(
        fontsize=10, frameon=False, loc="upper left", ncols=3, handlelength=1.5, columnspacing=1
    )
    tidy(ax)


def size(nbytes: int) -> str:
    """A number of bytes as text, such as 256 B or 3.21 MB."""
    scale, unit = unit_of(nbytes)
    return f"{nbytes} B" if scale == 1 else f"{nbytes / scale:.3g} {unit}"


def unit_of(nbytes: int) -> tuple[float, str]:
    return next((x for x in UNITS if x[0] <= nbytes), UNITS[-1])
