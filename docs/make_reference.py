"""Write reference.md: every public name with its call and the first line of its docstring.

python docs/make_reference.py
"""

import inspect
from pathlib import Path

import tinygrad_edu
from tinygrad_edu import functional, lab, losses, nn, optim, train, viz
from tinygrad_edu.nn import init
from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.viz import plots

PAGE = Path(__file__).with_name("reference.md")

HEAD = """# What is this layer, loss or optimizer, exactly?

Each class and function answers with its equation, in the first line of its docstring; this page
collects those lines, and `help(nn.Linear)` gives the rest: shapes, settings, errors, and the paper
with the section that the equation is from. The body below a docstring reads as the equation does.
Names, settings and numbers are PyTorch's; a matrix of weights is (in, out), the transpose of
PyTorch's. `docs/make_reference.py` writes this page.
"""

SECTIONS = {
    "Layers: `tinygrad_edu.nn`": nn,
    "Functions: `tinygrad_edu.functional`": functional,
    "Losses: `tinygrad_edu.losses`": losses,
    "Where weights start: `tinygrad_edu.nn.init`": init,
    "Optimizers: `tinygrad_edu.optim`": optim,
    "Learning-rate schedules: `tinygrad_edu.optim.lr_scheduler`": lr_scheduler,
    "Training: `tinygrad_edu.train`": train,
    "Pictures: `tinygrad_edu.viz`": viz,
    "Experiments: `tinygrad_edu.lab`": lab,
    "Plots of experiments, losses and trainings: `tinygrad_edu.viz.plots`": plots,
    "Everything else: `tinygrad_edu`": tinygrad_edu,
}


def public(module):
    """The functions and classes that a module exports."""
    return {name: x for name in module.__all__ if callable(x := getattr(module, name))}


def call(name, x):
    """The name with its arguments, without their types."""
    try:
        signature = inspect.signature(x)
    except ValueError:
        return name
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return name + str(inspect.Signature(bare)).replace("<class 'float'>", "float")


def line(name, x):
    first = inspect.getdoc(x).splitlines()[0].replace("|", "\\|")
    return f"| `{call(name, x)}` | {first} |"


def page():
    parts = [HEAD]
    for title, module in SECTIONS.items():
        names = public(module)
        rows = [line(name, names[name]) for name in sorted(names, key=str.lower)]
        parts.append("\n".join([f"## {title}\n", "| call | what it is |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
