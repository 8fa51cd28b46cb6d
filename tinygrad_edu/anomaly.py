"""When a number goes wrong: where it first did, and why a gradient is what it is."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.graph import (
    RECORDING,
    WATCH,
    Node,
    behind,
    described,
    operation,
    plain,
    setting,
    user_line,
)


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, the first number that is not finite raises, in the forward or the backward pass.

    Raises FloatingPointError with the operation, the operand that is to blame, and the line of the
    user's code where the node was made. Only inside are these lines recorded, which takes time.
    An infinity that is written in a call, as in np.where(mask, x, -np.inf), is meant, and does not
    raise; nor do infinities further on that come from it.
    """
    lines: dict[int, str] = {}
    masked: set[int] = set()

    def check_forward(out: Node) -> None:
        lines[out.birth] = user_line()
        if out.function is None or not is_anomaly(out, masked):
            return
        blame = next((i for i, x in enumerate(out.seen[1:]) if not finite(x)), None)
        what = "made it from finite numbers" if blame is None else f"got one from operand {blame}"
        raise FloatingPointError(
            f"{operation(out.rule)} gives {first_bad(out.data)}: it {what}. Operands: "
            f"{operands(out)}. Made at {lines[out.birth]}"
        )

    def check_backward(node: Node, g: Any, contributions: tuple[Any, ...]) -> None:
        for position, flow in enumerate(contributions):
            if not finite(flow):
                raise FloatingPointError(
                    f"the rule of {operation(node.rule)} sends {first_bad(flow)} to its operand "
                    f"{position}. Its gradient was {extent(g)}, operands: {operands(node)}. "
                    f"Made at {lines.get(node.birth, 'a line before detect_anomaly()')}"
                )

    with (
        setting(RECORDING, check_forward),
        setting(WATCH, check_backward),
        np.errstate(all="ignore"),
    ):
        yield


def explain(leaf: Node, root: Node) -> str:
    """Why d root / d leaf is None, zero or not finite, or by which paths it came and how much.

    Nothing is changed: no `.grad`, no graph. A root that is not a scalar is summed.
    """
    name = f"d {root.name or 'root'} / d {leaf.name or 'leaf'}"
    if not leaf.requires_grad:
        return f"{name} is None: {named(leaf)} has requires_grad=False{kind_note(leaf)}."
    if not root.requires_grad:
        return f"{name} is None: nothing that went into {named(root)} requires a gradient."
    if leaf not in behind(root):
        return f"{name} is None: {no_path(leaf, root)}"

    steps: list[tuple[Node, Any, tuple[Any, ...]]] = []
    start = np.ones_like(root.data) if root.broadcasts else 1.0
    with np.errstate(all="ignore"):
        root.backward(start, inputs=(), watch=lambda *step: steps.append(step))
    gradient = next((g for node, g, _ in steps if node is leaf), None)
    if gradient is None:
        return f"{name} is None: every rule on the way returned None for this operand."
    if not finite(gradient):
        return f"{name} is not finite: {origin_of_nonfinite(steps)}."
    if not np.any(gradient):
        return f"{name} is zero: {'; '.join(blocks(steps)) or 'the contributions cancel'}."
    ways = [
        f"{extent(flow)} as operand {i} of {operation(node.rule)}"
        for node, _, flows in steps
        for i, (x, flow) in enumerate(zip(node.inputs, flows))
        if x is leaf and flow is not None
    ]
    return "\n  ".join(
        [f"{name} is {extent(gradient)}, the sum of", *ways, *blocks(steps, partly=True)]
    )


def first_anomaly(nodes: Iterable[Node]) -> Node | None:
    """The oldest of the nodes with a number that is not finite and was not meant."""
    masked: set[int] = set()
    return next((x for x in sorted(nodes, key=lambda x: x.birth) if is_anomaly(x, masked)), None)


def is_anomaly(node: Node, masked: set[int]) -> bool:
    """Whether a number of node is not finite, and is no infinity that was written in a call.

    masked  births of older nodes whose infinities were written; that of node joins them
    """
    if finite(node.data):
        return False
    parts = [*node.inputs, *node.options.values()]
    meant = any(x.birth in masked if isinstance(x, Node) else is_infinite(x) for x in parts)
    if not meant or np.any(np.isnan(node.data)):
        return True
    masked.add(node.birth)
    return False


def is_infinite(x: Any) -> bool:
    return isinstance(x, float) and math.isinf(x)


def origin_of_nonfinite(steps: list[tuple[Node, Any, tuple[Any, ...]]]) -> str:
    first = first_anomaly(node for node, _, _ in steps)
    if first is not None and first.rule is None:
        return f"{named(first)} holds {first_bad(first.data)}"
    if first is not None:
        return f"{operation(first.rule)} gave {first_bad(first.data)} in the forward pass"
    for node, g, flows in steps:
        if finite(g) and not all(map(finite, flows)):
            bad = next(flow for flow in flows if not finite(flow))
            return (
                f"the rule of {operation(node.rule)} made {first_bad(bad)} of a finite gradient "
                f"({extent(g)}); its operands are {operands(node)}"
            )
    return "the gradients were finite, and their sum is not"


def blocks(steps: list[tuple[Node, Any, tuple[Any, ...]]], partly: bool = False) -> list[str]:
    """Where a gradient that is not zero goes in and zeros come out: in all or some elements."""
    found = []
    for node, g, flows in steps:
        arrays = [np.asarray(flow, float) for flow in flows if flow is not None]
        if not arrays or not np.any(g):
            continue
        share = np.mean([np.mean(flow == 0) for flow in arrays])
        if share == 1 or (partly and operation(node.rule) in ("relu", "clip", "where") and share):
            found.append(f"{operation(node.rule)} passed nothing on for {share:.0%} of its inputs")
    return found


def no_path(leaf: Node, root: Node) -> str:
    """Why leaf is not behind root, as far as memory tells."""
    for x in behind(root):
        if x is not leaf and x.function is None and shares_data(x, leaf):
            return (
                f"{named(root)} was made from the numbers of {named(leaf)} but not from the node: "
                "it went through .detach(), .data or a copy that left the graph."
            )
    return (
        f"no path leads from {named(leaf)} to {named(root)}. Either it was not used, or what was "
        "made from it left the graph: by .detach(), .data, no_grad() or a function that has no "
        "derivative."
    )


def shares_data(x: Node, y: Node) -> bool:
    return x.broadcasts and y.broadcasts and bool(np.may_share_memory(x.data, y.data))


def kind_note(leaf: Node) -> str:
    kind = leaf.data.dtype if leaf.broadcasts else float
    return "" if np.dtype(kind).kind == "f" else f", and {kind} data can have no gradient"


def named(x: Node) -> str:
    return repr(x.name) if x.name else f"the node of {described(x)}"


def finite(x: Any) -> bool:
    x = plain(x)
    is_number = isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"
    return not is_number or bool(np.all(np.isfinite(x)))


def first_bad(x: Any) -> str:
    """The first number of x that is not finite, with its index."""
    x = np.asarray(plain(x))
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
    return f"{x[index]}" + (f" at {list(index)}" if index else "")


def extent(x: Any) -> str:
    """A number, or the norm of an array."""
    x = np.asarray(plain(x), float)
    return f"{x.item():.6g}" if x.size == 1 else f"an array of norm {np.linalg.norm(x):.6g}"


def operands(node: Node) -> str:
    """Each operand with the range of its numbers."""
    return ", ".join(
        f"{described(x)} from {np.min(data):.6g} to {np.max(data):.6g}"
        if hasattr(data, "shape") and data.size
        else described(x)
        for x, data in zip(node.inputs, node.seen[1:])
    )
