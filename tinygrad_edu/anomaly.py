"""Where did a number first go wrong, and why is a gradient what it is?"""

import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.graph import Node, behind, plain
from tinygrad_edu.messages import described, operation, result, user_line
from tinygrad_edu.modes import RECORDING, WATCH, temporarily
from tinygrad_edu.optim.libraries import as_numpy


class Origin(NamedTuple):
    """What `detect_anomaly` knows about one node.

    line    the line of the user's code that made it
    prints  checksums of all data that it was computed with, and of its result
    ref     a weak reference to the node: when the node is freed, the record goes too
    """

    line: str
    prints: list[Any]
    ref: weakref.ref[Node]


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, raise an error at the first number that is not finite, and at a change in place.

    Raises FloatingPointError, in the forward or the backward pass. It names the operation, the
    operand that caused the number, and the line of the user's code that made the node. Three kinds
    of infinity are intended and raise no error: one that is written in a call, as in
    np.where(mask, x, -np.inf); -inf in an array without a gradient, which is a mask; and an
    infinity that comes from these.

    Raises RuntimeError in the backward pass if an array in the graph was changed in place: a
    parameter, a mask, an index, or memory that they share. No `.grad` changes in that case.

    The lines and checksums that it records take time, so it is for debugging. A backward pass with
    a `watch` of its own is not checked.
    """
    records: dict[int, Origin] = {}  # by birth
    masked: set[int] = set()

    def check_forward(out: Node) -> None:
        if out.function is None:
            return
        line, key = user_line(), out.birth
        prints = [checksum(x) for x in computed_with(out)]
        records[key] = Origin(line, prints, weakref.ref(out, lambda _: records.pop(key)))
        bad, given = anomaly_of(out, masked)
        if bad is not None:
            blame = next((i for i, x in enumerate(given) if not is_finite(x)), None)
            what = (
                "made it from finite numbers" if blame is None else f"got one from operand {blame}"
            )
            raise FloatingPointError(
                f"{operation(out.rule)} gives {first_bad(bad)}: it {what}. Operands: "
                f"{operands(out)}. Made at {line}"
            )

    def check_backward(node: Node, g: Any, contributions: tuple[Any, ...]) -> None:
        record = records.get(node.birth)
        if changed(node, record):
            raise changed_in_place(node, records)
        line = record.line if record else "a line before detect_anomaly()"
        for position, flow in enumerate(contributions):
            if not is_finite(flow):
                raise FloatingPointError(
                    f"the rule of {operation(node.rule)} sends {first_bad(flow)} to its operand "
                    f"{position}. Its gradient was {extent(g)}, operands: {operands(node)}. "
                    f"Made at {line}"
                )

    try:
        with (
            temporarily(RECORDING, check_forward),
            temporarily(WATCH, check_backward),
            np.errstate(all="ignore"),
        ):
            yield
    except (IndexError, TypeError, ValueError) as error:
        # A changed array may make a rule fail before it is checked, as an index out of range does.
        for record in records.values():
            node = record.ref()
            if node is not None and (what := changed(node, record)):
                error.add_note(
                    f"Before this error, {what}, was changed in place after {record.line} had "
                    "computed with it"
                )
        raise


def computed_with(node: Node) -> tuple[Any, ...]:
    """All data that the rule of a node computes with."""
    return (*node.seen[1:], *node.options.values(), node.seen[0])


def checksum(x: Any) -> Any:
    """A checksum of the bytes of x; None for what cannot be changed in place."""
    if isinstance(x, np.ndarray):
        return zlib.crc32(x.tobytes() if x.dtype.hasobject else x.ravel(order="K").data)
    if isinstance(x, tuple | list):  # an index of arrays, a list of the user's own
        return [checksum(part) for part in x]
    return int(x) if isinstance(x, int | np.integer) else None


def changed(node: Node, record: Origin | None) -> str:
    """Name the data of the node that was changed in place since its record; "" if none was."""
    now = [checksum(x) for x in computed_with(node)] if record else []
    if record is None or now == record.prints:
        return ""
    name = operation(node.rule)
    names = [
        *(f"operand {i} of {name}, {described(x)}" for i, x in enumerate(node.inputs)),
        *(f"option {option!r} of {name}" for option in node.options),
        result(node),
    ]
    return next(what for what, x, y in zip(names, now, record.prints, strict=True) if x != y)


def changed_in_place(node: Node, records: Mapping[int, Origin]) -> RuntimeError:
    """The error for a graph with a change in it; it names the oldest node that saw the old data."""
    old = (
        x for x in sorted(behind(node), key=lambda x: x.birth) if changed(x, records.get(x.birth))
    )
    oldest = next(old)
    record = records[oldest.birth]
    return RuntimeError(
        f"{changed(oldest, record)}, was changed in place after {record.line} had computed with "
        "it, so the gradient may be wrong. Call backward() before the change, or change a copy "
        "of the data"
    )


def explain(leaf: Node, root: Node) -> str:
    """Say why d root / d leaf is None, zero or not finite, or else how much each operation adds.

    Returns a text and changes nothing: no `.grad`, no graph. A root that is not a scalar is summed.
    """
    name = f"d {root.name or 'root'} / d {leaf.name or 'leaf'}"
    if not leaf.requires_grad:
        return f"{name} is None: {known_as(leaf)} has requires_grad=False{kind_note(leaf)}."
    if not root.requires_grad:
        return f"{name} is None: nothing that went into {known_as(root)} requires a gradient."
    if leaf not in behind(root):
        return f"{name} is None: {no_path(leaf, root)}"

    steps: list[tuple[Node, Any, tuple[Any, ...]]] = []
    start = np.ones_like(root.data) if root.broadcasts else 1.0
    with np.errstate(all="ignore"):
        root.backward(start, inputs=(), watch=lambda *step: steps.append(step))
    gradient = next((g for node, g, _ in steps if node is leaf), None)
    if gradient is None:
        return f"{name} is None: every rule on the way returned None for this operand."
    if not is_finite(gradient):
        return f"{name} is not finite: {origin_of_nonfinite(steps)}."
    if not np.any(gradient):
        return f"{name} is zero: {'; '.join(dead_ends(steps)) or 'the contributions cancel'}."
    ways = [
        f"{extent(flow)} as operand {i} of {operation(node.rule)}"
        for node, _, flows in steps
        for i, (x, flow) in enumerate(zip(node.inputs, flows))
        if x is leaf and flow is not None
    ]
    return "\n  ".join(
        [f"{name} is {extent(gradient)}, the sum of", *ways, *dead_ends(steps, partly=True)]
    )


def first_anomaly(nodes: Iterable[Node]) -> Node | None:
    """The oldest of the nodes with a number that is not finite and not intended; or None."""
    masked: set[int] = set()
    for node in sorted(nodes, key=lambda x: x.birth):
        if anomaly_of(node, masked)[0] is not None:
            return node
    return None


def anomaly_of(node: Node, masked: set[int]) -> tuple[Any, Any]:
    """The data of node if a number in it is wrong, else None; and the data of its operands.

    A number is wrong if it is not finite and not intended. An infinity is intended if it disappears
    when the intended infinities of the operands are replaced by 1. In exp([1000, -inf]) the first
    result is wrong, because it overflows even then.

    masked  births of older nodes with intended infinities; the birth of node may be added
    """
    data, given = node.data, node.seen[1:]
    if is_finite(data):
        return None, given
    if np.any(np.isnan(data)):
        return np.where(np.isnan(data), data, 0), given
    given = tuple(tamed(*pair, masked) for pair in zip(node.inputs, given, strict=True))
    options = {name: tamed(x, x, masked) for name, x in node.options.items()}
    again: Any = node.function
    with np.errstate(all="ignore"):
        data = tamed(node, data, masked) if again is None else again(*given, **options)
    if not is_finite(data):
        return data, given
    masked.add(node.birth)
    return None, given


def tamed(x: Any, data: Any, masked: set[int]) -> Any:
    """The data of operand x, with 1 in place of its infinities if they are intended."""
    tracked = isinstance(x, Node) and x.requires_grad
    if not (x.birth in masked if tracked else is_mask(data)):
        return data
    return 1.0 if isinstance(data, float) else np.where(np.isinf(data), 1, data)


def is_mask(x: Any) -> bool:
    """Whether x is one infinite number, or an array without nan and inf, where -inf may occur."""
    if isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f":
        return bool(np.isinf(x) if np.ndim(x) == 0 else np.all(x < np.inf))
    return False


def origin_of_nonfinite(steps: list[tuple[Node, Any, tuple[Any, ...]]]) -> str:
    first = first_anomaly(node for node, _, _ in steps)
    if first is not None and first.rule is None:
        return f"{known_as(first)} holds {first_bad(first.data)}"
    if first is not None:
        return f"{operation(first.rule)} gave {first_bad(first.data)} in the forward pass"
    for node, g, flows in steps:
        if is_finite(g) and not all(map(is_finite, flows)):
            bad = next(flow for flow in flows if not is_finite(flow))
            return (
                f"the rule of {operation(node.rule)} made {first_bad(bad)} of a finite gradient "
                f"({extent(g)}); its operands are {operands(node)}"
            )
    return "the gradients were finite, and their sum is not"


def dead_ends(steps: list[tuple[Node, Any, tuple[Any, ...]]], partly: bool = False) -> list[str]:
    """The operations that turn a nonzero gradient into zeros: at all elements, or `partly`."""
    found = []
    for node, g, flows in steps:
        arrays = [np.asarray(flow, float) for flow in flows if flow is not None]
        if not arrays or not np.any(g):
            continue
        share = float(not any(map(np.any, arrays)))
        if partly and all(array.shape == np.shape(g) for array in arrays):  # element by element
            share = float(np.mean((np.asarray(g) != 0) & np.all(np.equal(arrays, 0), axis=0)))
        if share:
            found.append(f"{operation(node.rule)} passed nothing on for {share:.0%} of its inputs")
    return found


def no_path(leaf: Node, root: Node) -> str:
    """Why no path leads from leaf to root; shared memory shows a detached copy."""
    for x in behind(root):
        if x is not leaf and x.function is None and shares_data(x, leaf):
            return (
                f"{known_as(root)} was made from the numbers of {known_as(leaf)} but not from "
                "the node: it went through .detach(), .data or a copy that left the graph."
            )
    return (
        f"no path leads from {known_as(leaf)} to {known_as(root)}. Either it was not used, or "
        "what was made from it left the graph: by .detach(), .data, no_grad() or a function that "
        "has no derivative."
    )


def shares_data(x: Node, y: Node) -> bool:
    return x.broadcasts and y.broadcasts and bool(np.may_share_memory(x.data, y.data))


def kind_note(leaf: Node) -> str:
    kind = leaf.data.dtype if leaf.broadcasts else float
    return "" if np.dtype(kind).kind == "f" else f", and {kind} data can have no gradient"


def known_as(x: Node) -> str:
    return repr(x.name) if x.name else f"the node of {described(x)}"


def is_finite(x: Any) -> bool:
    x = plain(x)
    is_number = isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"
    return not is_number or bool(np.all(np.isfinite(x)))


def first_bad(x: Any) -> str:
    """The first number of x that is not finite, with its index."""
    x = np.asarray(as_numpy(plain(x)))
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
    return f"{x[index]}" + (f" at {list(index)}" if index else "")


def extent(x: Any) -> str:
    """A number, or the norm of an array."""
    x = np.asarray(as_numpy(plain(x)), float)
    return f"{x.item():.6g}" if x.size == 1 else f"an array of norm {np.linalg.norm(x):.6g}"


def operands(node: Node) -> str:
    """Each operand with the range of its numbers."""
    return ", ".join(
        f"{described(x)} from {np.min(data):.6g} to {np.max(data):.6g}"
        if hasattr(data, "shape") and data.size
        else described(x)
        for x, data in zip(node.inputs, node.seen[1:])
    )
