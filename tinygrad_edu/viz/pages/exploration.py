"""An interactive graph in a notebook: the engine in the kernel computes its numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from json import dumps
from time import perf_counter
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.value import Value
from tinygrad_edu.viz.graph.data import strict
from tinygrad_edu.viz.graph.description import backward_pass, describe, refuse_beyond
from tinygrad_edu.viz.pages.explorable import (
    filled,
    graph_data,
    in_order,
    leaves_of,
    uses_of,
    value_of,
)
from tinygrad_edu.viz.pages.player import assets

STYLES = "page", "workbench", "explore", "widget"
SCRIPTS = "dom", "workbench", "explore", "widget"
POINTS = 201  # of the curve
SECONDS = 0.3  # that the curve of a slow function may take


def widget(f: Callable[..., Any], /, *, max_nodes: int = 200, **inputs: Any) -> "Exploration":
    """The graph of f(**inputs), interactive in a notebook: the running engine computes.

        viz.widget(lambda w, x, b: (w * x + b - 4) ** 2, w=2.0, x=1.5, b=-0.5)

    f          takes Values and returns one: any function, with any branches
    max_nodes  the largest graph to accept
    inputs     numbers or Values; an array, a list or a Tensor becomes an array of Values

    Each change of an input calls f again, and draws another graph if f takes another branch. f is
    also called for the measured slopes and for up to 201 points of the curve.
    Raises ValueError for a larger graph and for no inputs, TypeError if f returns no Value, and
    what f raises; ImportError when a cell shows it and anywidget is not installed.
    """
    return Exploration(f, inputs, max_nodes)


class Exploration:
    """What `viz.widget` returns: a notebook shows it, and Python reads and sets its inputs."""

    def __init__(self, f: Callable[..., Any], inputs: Mapping[str, Any], max_nodes: int = 200):
        self.f, self.max_nodes = f, max_nodes
        self.given = {name: plain(x) for name, x in inputs.items()}
        self.leaves = leaves_of(inputs)
        if not self.leaves:
            raise ValueError("there is no input to change: pass the inputs by name, such as w=2.0")
        self.shown: Any = None
        self.structure: Any = None
        self.graph: dict[str, Any] = {}
        numbers = list(self.leaves.values())
        self.numbers(numbers)  # an error at the start reaches the caller
        question = {"values": numbers, "held": 0, "h": 1e-5, "low": None, "high": None}
        self.answer = self.answered(question)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The current numbers and arrays of the inputs, by name.

        Assign a dictionary of the inputs to change, `{"x": 2.0}`, and the sliders follow. Raises
        ValueError for a name that is not an input.
        """
        return MappingProxyType(self.by_name(self.answer["values"]))

    @inputs.setter
    def inputs(self, given: Mapping[str, Any]) -> None:
        changed = leaves_of(given)
        for name in changed:
            if name not in self.leaves:
                raise ValueError(f"{name} is not an input: these are {', '.join(self.leaves)}")
        numbers = [
            changed.get(name, x) for name, x in zip(self.leaves, self.answer["values"], strict=True)
        ]
        question = {key: self.answer[key] for key in ("held", "h", "low", "high")}
        if question["low"] is not None:
            is_inside = question["low"] <= numbers[question["held"]] <= question["high"]
            question |= {} if is_inside else {"low": None, "high": None}
        self.ask({**question, "values": numbers})

    @property
    def value(self) -> float | None:
        """f(**inputs); None if f raises an error."""
        x = self.answer["out"][self.graph["root"]]
        return None if x is None else float(x)

    @property
    def gradients(self) -> Mapping[str, Any] | None:
        """The gradient of the value with respect to each input; None if f raises an error."""
        if self.value is None:
            return None
        found = [float(x) for x in self.answer["out"][-len(self.leaves) :]]
        return MappingProxyType(self.by_name(found))

    @property
    def error(self) -> str:
        """What f raises at these inputs, in words; empty if it returns."""
        return self.answer["reason"]

    def by_name(self, numbers: Sequence[float]) -> dict[str, Any]:
        rest = iter(numbers)
        return {
            name: np.reshape([next(rest) for _ in range(np.size(x))], np.shape(x))
            if np.shape(x)
            else next(rest)
            for name, x in self.given.items()
        }

    @property
    def front(self) -> Any:
        """The widget itself, for a box of ipywidgets. Raises ImportError without anywidget."""
        if self.shown is None:
            self.shown = front_end(self)
        return self.shown

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.front._repr_mimebundle_(**options)

    # Questions of the page, see explore.js

    def ask(self, question: Mapping[str, Any]) -> None:
        """Compute the answer, and show it in the notebook."""
        try:
            self.answer = self.answered(question)
        except KeyboardInterrupt:
            self.answer = self.unanswered(question)
        if self.shown is not None:
            with self.shown.hold_sync():  # a graph and its numbers arrive together
                self.shown.graph = self.graph
                self.shown.answer = self.answer

    def result(self, numbers: Sequence[float]) -> tuple[Any, list[Value]]:
        """The root and the inputs."""
        values = {name: Value(x, name=name) for name, x in zip(self.leaves, numbers, strict=True)}
        with np.errstate(all="ignore"):
            root = value_of(self.f(**filled(self.given, values)), "widget")
        return root, [*values.values()]

    def numbers(self, numbers: Sequence[float]) -> list[Any]:
        """Value and gradient of each node, the contributions, and the gradient of each input."""
        root, inputs = self.result(numbers)
        nodes = in_order(root)
        refuse_beyond(self.max_nodes, len(nodes))
        structure = structure_of(nodes, inputs)
        if structure != self.structure:
            graph = describe(root, max_nodes=self.max_nodes)
            self.graph = strict(graph_data(graph, nodes, self.leaves, inputs))
            self.uses = uses_of(graph)
            self.structure = structure
        with np.errstate(all="ignore"):
            gradients, flows = backward_pass(root, None)
        return [
            *(node.data for node in nodes),
            *(gradients.get(node, 0.0) for node in nodes),
            *(flows.get((nodes[i], k)) for i, k in self.uses),
            *(gradients.get(x, 0.0) for x in inputs),
        ]

    def inputs_alone(self, numbers: Sequence[float]) -> list[Any]:
        """The numbers of the drawn graph when only the inputs are known: None for the others."""
        places = [entry["node"] for entry in self.graph["inputs"]]
        out: list[Any] = [None] * (2 * self.graph["known"] + len(self.uses) + len(places))
        for place, x in zip(places, numbers, strict=True):
            if place is not None and place != self.graph["root"]:
                out[place] = x
        return out

    def answered(self, question: Mapping[str, Any]) -> dict[str, Any]:
        numbers, held, reason = question["values"], question["held"], ""
        try:
            out = self.numbers(numbers)
        except Exception as error:
            out = self.inputs_alone(numbers)
            reason = f"At these inputs, Python raises {type(error).__name__}: {error}"
        start = perf_counter()
        sides = [self.around(numbers, k, question["h"]) for k in range(len(numbers))]
        seconds = (perf_counter() - start) / (2 * len(numbers))  # of one call
        curve = []
        if question["low"] is not None:
            points = max(11, min(POINTS, int(SECONDS / max(seconds, 1e-9))))
            xs = np.linspace(question["low"], question["high"], points).tolist()
            curve = [self.root_at(numbers, held, x) for x in xs]
        return strict({**question, "out": out, "sides": sides, "curve": curve, "reason": reason})

    def unanswered(self, question: Mapping[str, Any]) -> dict[str, Any]:
        numbers = question["values"]
        return {
            **question,
            "out": self.inputs_alone(numbers),
            "sides": [{"step": 0.0, "ends": [None, None]}] * len(numbers),
            "curve": [],
            "reason": "The kernel was interrupted. Change an input to compute again.",
        }

    def root_at(self, numbers: Sequence[float], k: int, x: float) -> float | None:
        """The root where input k is x, and None where Python raises an error."""
        try:
            return self.result([*numbers[:k], x, *numbers[k + 1 :]])[0].data
        except Exception:
            return None

    def around(self, numbers: Sequence[float], k: int, h: float) -> dict[str, Any]:
        """The distance of the points of the measured slope from input k, and the root at both."""
        step = h * max(1.0, abs(numbers[k]))
        ends = [self.root_at(numbers, k, numbers[k] + d) for d in (-step, step)]
        return {"step": step, "ends": ends}


def structure_of(nodes: Sequence[Node], inputs: Sequence[Node]) -> Any:
    """Everything in the picture of a graph except its numbers."""
    places = {node: i for i, node in enumerate(nodes)}

    def operand(x: Any) -> Any:
        return places[x] if isinstance(x, Node) else repr(x)

    calls = [
        (x.name, x.function, repr(x.options), x.requires_grad, [operand(y) for y in x.inputs])
        for x in nodes
    ]
    return calls, [places.get(x) for x in inputs]


# The widget


def front_end(exploration: Exploration) -> Any:
    made = widget_class()(graph=exploration.graph, answer=exploration.answer)
    made.on_msg(lambda _, question, __: exploration.ask(question))
    return made


@cache
def widget_class() -> Any:
    try:
        from anywidget import AnyWidget
        from traitlets import Dict
    except ImportError as error:
        raise ImportError(
            'a widget needs anywidget: pip install "tinygrad_edu[notebook]"'
        ) from error

    class GraphWidget(AnyWidget):
        _esm = module()
        graph = Dict().tag(sync=True)
        answer = Dict().tag(sync=True)

    return GraphWidget


def module() -> str:
    """The script that the notebook loads. Its style applies only inside the widget."""
    return f"const STYLE = {dumps(assets('css', *STYLES))};\n" + assets("js", *SCRIPTS)
