"""How do the numbers of docs/benchmarks.json become tables, plots and words of a page?

The pages in PAGES contain marks `<!-- table: ... -->` and `<!-- value: ... -->`. All text from such
a mark to the next `<!-- end -->` is written from the numbers. A test compares them.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from peers import COMPETITORS

ROOT = Path(__file__).parents[2]
DATA, PAGE = ROOT / "docs/benchmarks.json", ROOT / "docs/benchmarks.md"
PAGES = [PAGE, ROOT / "README.md", ROOT / "docs/compile.md"]  # pages that contain numbers
IMAGES = ROOT / "docs/images"
MARK = re.compile(r"(<!-- (table|value): (.*?) -->)(.*?)(<!-- end -->)", re.DOTALL)
UNITS = {
    "s": [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    "B": [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")],
}
OWN, HAND, OTHER = "#0072B2", "#999999", "#E69F00"  # colour-blind readers can tell them apart too
NAMES = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX", "mygrad": "MyGrad", "dezero": "DeZero"}


LINES = {  # the colours of the lines for growing graphs
    "tinygrad_edu": OWN,
    "tinygrad_edu, Tensors": "#56B4E9",
    "PyTorch": OTHER,
    "MyGrad": "#009E73",
    "DeZero": "#CC79A7",
    "micrograd": "#D55E00",
}


def amount(value: float, unit: str) -> str:
    """A number with three digits and a suitable unit."""
    units = UNITS[unit]
    size, name = next((x for x in units if abs(value) >= x[0]), units[-1])
    digits = value / size
    return f"{digits:.{max(0, 2 - int(np.log10(max(1, abs(digits)))))}f} {name}"


def report(subject: dict[str, Any]) -> str:
    """A subject as plain text: the median, and the ratio with its quartiles."""
    lines = []
    for row in subject["rows"]:
        lines.append(f"\n{row['name']}")
        for name, found in row["results"].items():
            if "cannot" in found:
                lines.append(f"  {name:26}{found['cannot']}")
                continue
            low, middle, high = found["ratio"]
            value = amount(found["quartiles"][1], row["unit"])
            lines.append(f"  {name:26}{value:>10}{middle:10.3f}  {low:.3f} to {high:.3f}")
    return "\n".join(lines)


# Tables


def table(header: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *lines))


def subject_table(subject: dict[str, Any]) -> str:
    """A table with one line for each competitor and one column for each row of the subject."""
    rows = subject["rows"]
    lines = []
    for name in COMPETITORS:
        cells = [cell(row, name) for row in rows]
        if any(x not in ("", "—") for x in cells):
            lines.append([emphasized(name), *cells])
    return table(["", *(row["name"] for row in rows)], lines) + reasons(rows)


def emphasized(name: str) -> str:
    return f"**{name}**" if name.startswith("tinygrad_edu") else name


def cell(row: dict[str, Any], name: str) -> str:
    found = row["results"].get(name)
    if found is None:
        return ""
    if "cannot" in found:
        return "—"
    low, ratio, high = found["ratio"]
    value = amount(found["quartiles"][1], row["unit"])
    if name == row["reference"]:
        return f"{value}: 1"
    return f"{value}: {ratio:.3g} ({low:.3g} to {high:.3g})"


def reasons(rows: list[dict[str, Any]]) -> str:
    """The competitors without a number, and why: one line for each reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for name, result in row["results"].items():
            if "cannot" in result and name not in found.setdefault(result["cannot"], []):
                found[result["cannot"]].append(name)
    lines = [f"- {', '.join(names)}: {why}." for why, names in found.items()]
    return "\n\nWithout a number:\n\n" + "\n".join(lines) if lines else ""


def graph_tables(subject: dict[str, Any]) -> str:
    """A table for each kind of graph: the time and bytes of a node, one column for each size."""
    tables = []
    for kind, rows in kinds_of(subject["rows"]).items():
        sizes = list(dict.fromkeys(size for size, _ in rows))
        lines = []
        for name in COMPETITORS:
            cells = [graph_cell(rows, size, name) for size in sizes]
            if any(x not in ("", "—") for x in cells):
                lines.append([emphasized(name), *cells])
        tables.append(table([kind, *sizes], lines))
    return "\n\n".join(tables) + reasons(subject["rows"])


def kinds_of(rows: list[dict[str, Any]]) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    """{kind: {(size, unit): row}} of rows named "chain, 1,000 nodes, time"."""
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in rows:
        kind, size, _ = row["name"].split(", ")
        found.setdefault(kind, {})[size, row["unit"]] = row
    return found


def graph_cell(rows: dict[tuple[str, str], dict[str, Any]], size: str, name: str) -> str:
    found = [(rows[size, unit], unit) for unit in ("s", "B") if (size, unit) in rows]
    results = [(row["results"].get(name, {"cannot": ""}), unit) for row, unit in found]
    if any("cannot" in result for result, _ in results):
        return "—"
    return ", ".join(amount(result["quartiles"][1], unit) for result, unit in results)


def limits_table(results: dict[str, Any]) -> str:
    lines = []
    for subject in results["subjects"].values():
        for row in subject["rows"]:
            for x in row["limits"]:
                kept = "yes" if x["found"] <= x["at_most"] else "**no**"
                found, at_most = (limited(x[key], x["unit"]) for key in ("found", "at_most"))
                lines.append([subject["title"], x["text"], found, at_most, kept])
    return table(["subject", "", "measured", "at most", "kept"], lines)


def limited(value: float, unit: str) -> str:
    return amount(value, unit) if unit else f"{value:.3g}"


def machine_table(results: dict[str, Any]) -> str:
    machine = results["machine"]
    lines = [
        ["processor", f"{machine['processor']}, {machine['cores']} cores, of which one is used"],
        ["system", f"{machine['system']}, Python {machine['python']}"],
        ["NumPy's BLAS", machine["blas"]],
        [
            "versions",
            ", ".join(f"{NAMES.get(name, name)} {x}" for name, x in results["versions"].items()),
        ],
    ]
    return table(["", ""], lines)


def text_of(kind: str, what: str, results: dict[str, Any]) -> str:
    if kind == "value":
        return value_of(what, results)
    if what == "limits":
        return f"\n\n{limits_table(results)}\n\n"
    if what == "machine":
        return f"\n\n{machine_table(results)}\n\n"
    if what not in results["subjects"]:
        return "\n\nNot measured.\n\n"
    subject = results["subjects"][what]
    made = graph_tables(subject) if what == "graphs" else subject_table(subject)
    return f"\n\n{made}\n\n"


def value_of(what: str, results: dict[str, Any]) -> str:
    """The number for `subject; start of the row's name; competitor; of`: a ratio to `of`.

    If `of` is `time`, it is the median itself.
    """
    subject, start, name, of = what.split("; ")
    rows = results["subjects"][subject]["rows"]
    row = next(row for row in rows if row["name"].startswith(start))
    found = row["results"][name]
    if of == "time":
        return amount(found["quartiles"][1], row["unit"])
    if of == row["reference"]:
        return f"{found['ratio'][1]:.2f}"
    for limit in row["limits"]:
        if limit["text"].endswith(f": {name} / {of}"):
            return f"{limit['found']:.2f}"
    return f"{found['quartiles'][1] / row['results'][of]['quartiles'][1]:.2f}"


def filled(text: str, results: dict[str, Any]) -> str:
    """The page with all text between marks written again from the results."""

    def renewed(match: re.Match[str]) -> str:
        return match[1] + text_of(match[2], match[3], results) + match[5]

    return MARK.sub(renewed, text)


def write_page(results: dict[str, Any]) -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        path.write_text(filled(text, results), encoding="utf-8")
    for name, subject in results["subjects"].items():
        draw(name, subject).savefig(IMAGES / f"benchmarks_{name}.png", dpi=100)


# Pictures


def draw(name: str, subject: dict[str, Any]):
    return graph_plot(subject) if name == "graphs" else plot(subject)


def plot(subject: dict[str, Any]):
    """Bars with whiskers between the quartiles: one panel for each row, two side by side."""
    from matplotlib.figure import Figure

    rows = subject["rows"]
    columns = min(2, len(rows))
    lines = [rows[i : i + columns] for i in range(0, len(rows), columns)]
    names = [
        [x for x in COMPETITORS if any(x in numbers_of(row) for row in line)] for line in lines
    ]
    heights = [0.7 + 0.22 * len(x) for x in names]
    figure = Figure(figsize=(8, 0.2 + sum(heights)), layout="constrained")
    grid = figure.subplots(len(lines), columns, squeeze=False, height_ratios=heights)
    for axes, line, found in zip(grid, lines, names, strict=True):
        for i, ax in enumerate(axes):
            if i < len(line):
                panel(ax, line[i], found)
                ax.set_yticks(range(len(found)), [""] * len(found) if i else found, fontsize=8)
            else:
                ax.set_axis_off()
    return figure


def numbers_of(row: dict[str, Any]) -> dict[str, list[float]]:
    return {name: x["quartiles"] for name, x in row["results"].items() if "quartiles" in x}


def panel(ax, row: dict[str, Any], names: list[str]) -> None:
    """One panel of bars. Its scale is logarithmic if the largest is above 12 times the smallest."""
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

    numbers = numbers_of(row)
    low, middle, high = np.array(list(numbers.values())).T
    places = [names.index(name) for name in numbers]
    whiskers = {"fmt": "none", "ecolor": "black", "capsize": 2}
    ax.barh(places, middle, color=[color(name) for name in numbers], height=0.7)
    ax.errorbar(middle, places, xerr=[middle - low, high - middle], **whiskers)
    wide = middle.max() > 12 * middle.min()
    left = middle.min() / 2 if wide else 0.0
    ax.set_xscale("log" if wide else "linear")
    ax.set_xlim(left, high.max() * ((high.max() / left) ** 0.3 if wide else 1.3))
    ax.xaxis.set_major_locator(LogLocator() if wide else MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(row["unit"]))
    ax.xaxis.set_minor_formatter(NullFormatter())
    beside = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    for name, place in zip(names, range(len(names)), strict=True):
        value = amount(numbers[name][1], row["unit"]) if name in numbers else "—"
        end = numbers[name][2] if name in numbers else left
        ax.annotate(value, (end, place), (4, 0), **beside)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_title(row["name"], fontsize=8)
    ax.set_xlabel("logarithmic" if wide else "", fontsize=7)
    ax.tick_params(axis="x", labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def color(name: str) -> str:
    if name.startswith("tinygrad_edu"):
        return OWN
    return HAND if name == next(iter(COMPETITORS)) else OTHER


def graph_plot(subject: dict[str, Any]):
    """The time and the bytes of a node against the number of nodes."""
    from matplotlib.figure import Figure

    kinds = kinds_of(subject["rows"])
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots(2, len(kinds), sharex=True, sharey="row", squeeze=False)
    for column, (kind, rows) in enumerate(kinds.items()):
        for line, unit in enumerate("sB"):
            ax = axes[line, column]
            for name in LINES:
                points = [
                    (float(size.split()[0].replace(",", "")), row["results"][name]["quartiles"][1])
                    for (size, kind_of_unit), row in rows.items()
                    if kind_of_unit == unit and "quartiles" in row["results"].get(name, {})
                ]
                if points:
                    width = 2.5 if name.startswith("tinygrad_edu") else 1.2
                    label = name.replace("tinygrad_edu, Tensors", "tinygrad_edu, Tensor")
                    ax.plot(
                        *zip(*points, strict=True),
                        "o-",
                        ms=3,
                        lw=width,
                        label=label,
                        color=LINES[name],
                    )
            ax.set(xscale="log", yscale="log", title=kind if line == 0 else "")
            ax.set_ylabel(("seconds", "bytes")[line] + " of a node" if column == 0 else "")
            ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel("nodes")
    handles = {}
    for ax in axes.flat:
        handles.update(
            {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        )
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )
    return figure
