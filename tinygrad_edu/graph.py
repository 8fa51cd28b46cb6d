"""The computation graph: every operation adds a node, and `backward` visits the nodes in reverse.

This is the whole of backpropagation. `apply` runs one operation and remembers it. `Node.backward`
visits what was remembered, youngest first, and at each node calls one rule of calculus: a short
function in rules.py or kernels.py. Nothing else in the package knows how a gradient flows.
"""

import functools
import itertools
import operator
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

Function = Callable[..., Any]

RULES: dict[Function, Function] = {}
NO_OPTIONS: dict[str, Any] = {}  # shared by every call without options

PACKAGE = str(Path(__file__).parent)

next_birth = itertools.count().__next__


class Mode(threading.local):
    """What each thread decides for itself.

    recording  whether operations are remembered; a function that is called with each result, too
    watch      what watches a backward pass that was not given a `watch` of its own
    """

    recording: bool | Callable[["Node"], None] = True
    watch: Callable[["Node", Any, tuple[Any, ...]], None] | None = None


mode = Mode()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations compute but are not remembered. Also a decorator, `@no_grad()`."""
    previous, mode.recording = mode.recording, False
    try:
        yield
    finally:
        mode.recording = previous


def backward_of(*functions: Function) -> Callable[[Function], Function]:
    """Enter the function below into the table, as the derivative rule of each of `functions`.

    A rule has the signature `(g, out, *inputs, **options)`: the gradient of the result, the result,
    then the arguments of the forward call. It returns one partial for each input: bare if there is
    one input, `None` for an input without a gradient. A partial that costs much is a `lambda: ...`:
    it is called only if it is wanted, and returns a new array or a view.
    """

    def enter(rule: Function) -> Function:
        for function in functions:
            RULES[forward_of(function)] = rule
        return rule

    return enter


def forward_of(function: Function) -> Function:
    """The function that computes on arrays: what `primitive` wrapped, or the function itself."""
    return function.args[0] if isinstance(function, functools.partial) else function


def primitive(forward: Function) -> Function:
    """Make one operation of a function that computes on arrays; `backward_of` gives it its rule."""
    return functools.update_wrapper(functools.partial(apply, forward), forward)


def apply(function: Function, /, *inputs: Any, **options: Any) -> Any:
    """out = function(*inputs, **options), computed on the data and remembered as one node."""
    kind: Any = None
    tracked = False
    arrays = []
    for x in inputs:
        if isinstance(x, Node):
            if x.__class__ is not kind:
                kind = x.__class__ if kind is None else common_kind(function, kind, x.__class__)
            if x.requires_grad:
                tracked = True
            arrays.append(x._data)
        elif isinstance(x, list):  # rules compute with arrays
            return apply(function, *map(as_array, inputs), **options)
        elif is_complex(x):
            raise TypeError(
                f"{function.__name__}: {described(x)} is complex; gradients are real here"
            )
        else:
            arrays.append(x)
    if kind is None:
        return function(*inputs, **options)
    rule = RULES.get(function) or no_rule(function)
    try:
        data = function(*arrays, **options)
    except Exception as error:
        raise explained(error, rule, inputs) from None
    if data.__class__ is not kind.native:
        data = kind.adopt(data)
        if data is NotImplemented:
            return data

    out = new(kind)
    out._data = data
    out.grad = out.name = None
    out.birth = next_birth()
    recording = mode.recording
    if tracked and recording:
        out.requires_grad = True
        out.function = function
        out.inputs = inputs
        out.options = options or NO_OPTIONS
        out.rule = rule
        out.seen = (data, *arrays)
    else:
        out.requires_grad = False
        out.function = out.rule = None
        out.inputs = out.seen = ()
        out.options = NO_OPTIONS
    if callable(recording):
        recording(out)
    return out


class Node:
    """One value of a computation, and how it was made.

    data      the number or the array
    grad      d root / d node, added up by `backward`; leaves only
    function, inputs, options
              the call that made it; a leaf has no function and no inputs
    seen      the result and the arguments of that call, as plain data
    rule      the derivative of `function`
    birth     a running number: a node is younger than everything it was made from
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "birth",
        "function",
        "grad",
        "inputs",
        "name",
        "options",
        "requires_grad",
        "rule",
        "seen",
    )

    native: ClassVar[type]  # the class that the data of a result has already
    broadcasts: ClassVar[bool]  # whether data has a shape and a dtype that a partial must match

    def __init__(self, data: Any, requires_grad: bool, name: str | None) -> None:
        self._data = data
        self.requires_grad = requires_grad
        self.name = name
        self.grad: Any = None
        self.function: Function | None = None
        self.rule: Function | None = None
        self.inputs: tuple[Any, ...] = ()
        self.options = NO_OPTIONS
        self.seen: tuple[Any, ...] = ()
        self.birth = next_birth()

    def backward(
        self,
        grad: Any = None,
        create_graph: bool = False,
        *,
        inputs: Iterable["Node"] | None = None,
        watch: Callable[["Node", Any, tuple[Any, ...]], None] | None = None,
    ) -> None:
        """Add d self / d leaf to the `.grad` of every leaf behind self: the chain rule in reverse.

        grad          where to start: d root / d self, of the shape of self; 1 for a scalar
        create_graph  record this pass as well, so that the gradients can be differentiated
        inputs        add to the `.grad` of these nodes only, which need not be leaves
        watch         called at every node with (node, its gradient, a contribution for each input)
        """
        watch = watch or mode.watch
        wanted = frozenset(() if inputs is None else inputs)
        oldest = min(x.birth for x in wanted) if wanted else -1
        broadcasts = self.broadcasts
        grads = {self: self.seed(grad, create_graph)}
        queue: list[tuple[int, Any]] = [] if self.rule is None else [(-self.birth, self)]

        # A node is older than all that was made from it. So the youngest in the queue has received
        # every contribution to its gradient, and its turn has come.
        while queue:
            node = heappop(queue)[1]
            birth = node.birth
            g = grads[node] if wanted and node in wanted else grads.pop(node)
            arguments = node.differentiable() if create_graph else node.seen

            partials = node.rule(g, *arguments, **node.options)

            if partials.__class__ is not tuple:
                partials = (partials,)
            if watch is not None:
                partials = node.contributions(partials)
                watch(node, g, partials)
            for x, partial in zip(node.inputs, partials):
                if not isinstance(x, Node):
                    continue
                if x.birth > birth:
                    raise stale(node, x)
                if partial is None or not x.requires_grad or x.birth < oldest:
                    continue
                own = False
                if callable(partial):
                    partial = partial()
                    own = partial is not g and getattr(plain(partial), "base", None) is None
                if broadcasts and (
                    partial.shape != x._data.shape or partial.dtype is not x._data.dtype
                ):
                    partial = x.fit(partial, node)
                if x in grads:  # never added in place: a rule may return g itself, and twice
                    grads[x] = grads[x] + partial
                elif x.rule is not None:
                    grads[x] = partial
                    heappush(queue, (-x.birth, x))
                else:  # a leaf keeps it, in memory of its own: a thunk's if no view, or else a copy
                    grads[x] = partial if own else +partial

        for x, g in grads.items():
            if watch is not None and x.rule is None:
                watch(x, g, ())
            if inputs is None:
                x.accumulate(+g if x is self else g)  # the seed is the caller's
            elif x in wanted:
                x.accumulate(+g)

    def seed(self, grad: Any, create_graph: bool) -> Any:
        """The gradient that `backward` starts from, checked."""
        raise NotImplementedError

    def accumulate(self, g: Any) -> None:
        """grad = grad + g; from now on the memory of g is this node's alone."""
        raise NotImplementedError

    def fit(self, partial: Any, node: "Node") -> Any:
        """`partial`, which the rule of `node` returned, in the shape and dtype of self."""
        return partial

    def differentiable(self) -> tuple[Any, ...]:
        """What `seen` holds, as nodes: a rule that computes with nodes records its own graph."""
        for x, array in zip(self.inputs, self.seen[1:], strict=True):
            if isinstance(x, Node) and x._data is not array:
                raise stale(self, x)
        return (self, *self.inputs)

    def contributions(self, partials: tuple[Any, ...]) -> tuple[Any, ...]:
        """What flows to each input: thunks called, broadcasting undone, None for nothing."""
        flows = [None] * len(self.inputs)
        for i, (x, partial) in enumerate(zip(self.inputs, partials, strict=False)):
            if isinstance(x, Node) and x.requires_grad and partial is not None:
                flows[i] = x.fit(partial() if callable(partial) else partial, self)
        return tuple(flows)

    @property
    def data(self) -> Any:
        """The number or the array. `node.data = new` leaves graphs made before as they were."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        if data is self._data and self.broadcasts:
            # `node.data -= step` comes here with the array that it has just changed: the node is
            # born again, and so younger than the nodes that were made from its old values.
            self.birth = next_birth()
        else:
            adopted = data if data.__class__ is self.native else self.adopt(data)
            if adopted is NotImplemented:
                raise TypeError(f"{described(data)} cannot be the data of a {type(self).__name__}")
            self._data = adopted

    def zero_grad(self) -> None:
        """Forget the gradient, so that the next `backward` starts from nothing."""
        self.grad = None

    @classmethod
    def adopt(cls, data: Any) -> Any:
        """Data of another class as data of this kind; NotImplemented where it cannot be one."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Self:
        return apply(operator.add, self, other)

    def __radd__(self, other: Any) -> Self:
        return apply(operator.add, other, self)

    def __sub__(self, other: Any) -> Self:
        return apply(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Self:
        return apply(operator.sub, other, self)

    def __mul__(self, other: Any) -> Self:
        return apply(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Self:
        return apply(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Self:
        return apply(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return apply(operator.truediv, other, self)

    def __mod__(self, other: Any) -> Self:
        return apply(operator.mod, self, other)

    def __rmod__(self, other: Any) -> Self:
        return apply(operator.mod, other, self)

    def __pow__(self, other: Any) -> Self:
        return apply(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Self:
        return apply(operator.pow, other, self)

    def __neg__(self) -> Self:
        return apply(operator.neg, self)

    def __pos__(self) -> Self:
        return apply(operator.pos, self)

    def __abs__(self) -> Self:
        return apply(operator.abs, self)

    # Comparisons have no gradient: they answer with plain bools, by data.

    def __eq__(self, other: object) -> Any:
        return self._data == plain(other)

    def __ne__(self, other: object) -> Any:
        return self._data != plain(other)

    def __lt__(self, other: Any) -> Any:
        return self._data < plain(other)

    def __le__(self, other: Any) -> Any:
        return self._data <= plain(other)

    def __gt__(self, other: Any) -> Any:
        return self._data > plain(other)

    def __ge__(self, other: Any) -> Any:
        return self._data >= plain(other)

    # Nor has what is rounded: it is plain as well.

    def __floordiv__(self, other: Any) -> Any:
        return self._data // plain(other)

    def __rfloordiv__(self, other: Any) -> Any:
        return plain(other) // self._data

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self._data), digits)

    def __int__(self) -> int:
        return int(self._data)

    __hash__ = object.__hash__  # a node is found by what it is, not by what it holds

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def __format__(self, spec: str) -> str:
        """`f"{loss:.3f}"` formats the number; without a spec, as `str`."""
        return format(self._data, spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are leaves: data, grad and name without the graph behind."""
        state = (None, {"grad": self.grad})
        return type(self), (self._data, self.requires_grad, self.name), state


new = object.__new__


def plain(x: Any) -> Any:
    """The data of a node; anything else as it is."""
    return x._data if isinstance(x, Node) else x


def as_array(x: Any) -> Any:
    """The array of a list; anything else as it is."""
    return np.asarray(x) if isinstance(x, list) else x


def is_complex(x: Any) -> bool:
    return isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c"


def operation(rule: Any) -> str:
    """The name of an operation: that of its rule, without `_backward`."""
    return rule.__name__.removesuffix("_backward")


def described(x: Any) -> str:
    """An operand in an error message: its name, if it has one, and its shape."""
    data = plain(x)
    name = repr(x.name) if isinstance(x, Node) and x.name else None
    if hasattr(data, "shape"):
        return f"{name or 'an array'} of shape {data.shape}"
    return f"{name} = {data!r}" if name else repr(data)


def behind(root: Node) -> set[Node]:
    """Root and every node that it was made from."""
    found, stack = {root}, [root]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in found:
                found.add(x)
                stack.append(x)
    return found


def user_line() -> str:
    """The line outside of this package that is being run."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# Errors: what happened, to which operands, and what to do.


def common_kind(function: Function, kind: type[Node], other: type[Node]) -> type[Node]:
    if kind.native is other.native:
        return kind
    raise TypeError(
        f"{function.__name__}: a {kind.__name__} and a {other.__name__} do not mix; "
        "a Value is one float, a Tensor an array: use one of the two, or .data of one of them"
    )


def no_rule(function: Function) -> Function:
    name = getattr(function, "__name__", repr(function))
    module = (getattr(function, "__module__", "") or "").replace("numpy", "np")
    name = f"{module}.{name}" if module else f"np.{name}"
    raise NotImplementedError(
        f"{name} has no backward rule; add one, here or in rules.py: a function "
        f"(g, out, *inputs) under @backward_of({name}), as in docs/operations.md. "
        "To leave the graph on purpose, call it with t.data"
    )


def explained(error: Exception, rule: Function, inputs: tuple[Any, ...]) -> Exception:
    """The error of a forward call, with the names and shapes of its operands."""
    operands = " and ".join(described(x) for x in inputs)
    message = f"{operation(rule)} of {operands}: {error}"
    if type(error) in (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError):
        return type(error)(message)
    error.add_note(message)
    return error


def stale(node: Node, x: Node) -> RuntimeError:
    return RuntimeError(
        f"{described(x)} was changed after this graph was made, so the derivative of "
        f"{operation(node.rule)} would be wrong; compute the loss again, then call backward()"
    )
