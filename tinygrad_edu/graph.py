"""The computation graph: every operation adds a node, and `backward` visits the nodes in reverse.

This is the whole of backpropagation. `apply` runs one operation and remembers it. `Node.backward`
visits what was remembered, youngest first, and at each node calls one rule of calculus: a short
function in rules.py or kernels.py. Nothing else in the package knows how a gradient flows.
"""

import functools
import operator
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from threading import RLock
from typing import Any, ClassVar, Self

import numpy as np

from tinygrad_edu.memory import Memory, memory_of, next_birth, viewed
from tinygrad_edu.messages import (
    converted,
    described,
    explained,
    leaving,
    mixed_kinds,
    no_rule,
    operation,
    stale,
    wrong_count,
)
from tinygrad_edu.modes import RECORDING, WATCH
from tinygrad_edu.operands import (
    LAZY,
    Operand,
    as_operands,
    by_position,
    complex_data,
    enters,
    is_lazy,
    only_arrays,
)

Function = Callable[..., Any]

RULES: dict[Function, Function] = {}
NO_OPTIONS: dict[str, Any] = {}  # shared by every call without options

new = object.__new__
mode = RECORDING.get  # for speed: `name.get()` of an imported name makes a bound method


def backward_of(*functions: Function) -> Callable[[Function], Function]:
    """Register the decorated function as the derivative rule of each of `functions`.

    A rule has the signature `(g, out, *inputs, **options)`: the gradient of the result, the result,
    then the arguments of the forward call. It returns a tuple with one partial for each input, or
    the partial alone if there is one input. `None` stands for an input without a gradient. An
    expensive partial is a `lambda: ...`, which is called only if the gradient is needed.
    A partial is g, a new array, or a view of one of these. It may become a `.grad`, so it is never
    an array that the rule keeps, such as a buffer or a constant.
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
    """Make a function on arrays one operation of the graph; `backward_of` gives it its rule."""
    return functools.update_wrapper(functools.partial(apply, forward), forward)


def rule_of(function: Function) -> Function:
    """`function.rule`, for a function that is not in the table; NotImplementedError if none."""
    rule = getattr(function, "rule", None)
    if not callable(rule):
        raise no_rule(function)
    return rule


def apply(function: Function, /, *inputs: Any, **options: Any) -> Any:
    """out = function(*inputs, **options), computed on the data and remembered as one node."""
    kind: Any = None
    tracked = False
    arrays = []
    for x in inputs:
        if isinstance(x, Node):
            if x.__class__ is not kind:
                if kind is None:
                    kind = x.__class__
                elif kind.native is not x.native:
                    raise mixed_kinds(function, kind, x.__class__)
            if x._requires_grad:
                tracked = True
            arrays.append(x._array)
        elif x.__class__ is np.ndarray:
            if x.dtype.kind == "c":
                raise complex_data(x)
            arrays.append(x)
        elif enters(x.__class__) and not (x.__class__ is tuple and only_arrays(function)):
            arrays.append(x)
        else:  # a list or a pandas table: rules need arrays
            return apply(function, *as_operands(function, inputs), **options)
    if kind is None:
        return on_arrays(function, inputs, options)
    rule = RULES.get(function) or rule_of(function)
    try:
        data = function(*arrays, **options)
    except Exception as error:
        raise explained(error, rule, inputs) from None
    if LAZY and not is_lazy(plain(data)) and any(map(is_lazy, arrays)):
        raise converted(rule, arrays, data)  # the library lacks the function
    if data.__class__ is not kind.native:
        call = restated(kind, function, inputs, options, data)
        if call is not None:
            return call()
        data = kind.adopt(data)
        if data is NotImplemented:
            return data

    out = new(kind)
    out._array = data
    out.grad = out.name = out.memory = None
    out.birth = next_birth()
    if kind.broadcasts and (getattr(data, "base", None) is not None or data is arrays[0]):
        out.memory = viewed(data, inputs)
    recording = mode()
    if tracked and recording:
        out._requires_grad = True
        out.function = function
        out.inputs = inputs
        out.options = options or NO_OPTIONS
        out.rule = rule
        out.seen = (data, *arrays)
    else:
        out._requires_grad = False
        out.function = out.rule = None
        out.inputs = out.seen = ()
        out.options = NO_OPTIONS
    if recording is not True and callable(recording):
        recording(out)
    return out


def restated(
    kind: Any, function: Function, inputs: tuple[Any, ...], options: dict[str, Any], data: Any
) -> Function | None:
    """The call to make instead, or None if this call was right."""
    if isinstance(data, Node):  # an operand was given as a keyword argument
        return functools.partial(apply, function, *by_position(function, inputs, options))
    if function in kind.replaces:
        return functools.partial(apply, kind.replaces[function], *inputs, **options)
    if not kind.broadcasts and any(isinstance(x, np.generic) for x in inputs):
        # float * np.float32 is a np.float32, and a Value computes with floats only.
        floats = (float(x) if isinstance(x, np.generic) else x for x in inputs)
        return functools.partial(apply, function, *floats, **options)
    return None


def on_arrays(function: Function, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """function(*inputs, **options), without a node.

    An array class can take over the call with a method `__primitive__(function, inputs, options)`,
    in the same way as NumPy's protocols let it take over NumPy's functions.
    """
    for x in inputs:
        if hasattr(x, "__primitive__"):
            return x.__primitive__(function, inputs, options)
    if any(isinstance(x, Node) for x in options.values()):
        return apply(function, *by_position(function, inputs, options))
    return function(*inputs, **options)


class Node(Operand):
    """One value of a computation, and how it was made.

    data      the number or the array
    grad      d root / d node, added up by `backward`; leaves only
    function, inputs, options
              the call that made it; a leaf has no function and no inputs
    seen      the result and the arguments of that call, as plain data
    rule      the derivative of `function`
    birth     a running number: a node is younger than everything it was made from
    memory    records when its data was last changed in place, and is shared with its views;
              None as long as there are neither views nor changes
    is_parameter
              whether it has required a gradient as a leaf; stays True when the leaf is frozen
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_requires_grad",
        "birth",
        "function",
        "grad",
        "inputs",
        "is_parameter",
        "memory",
        "name",
        "options",
        "rule",
        "seen",
    )

    native: ClassVar[type]  # the class of data that needs no conversion
    broadcasts: ClassVar[bool]  # whether data has a shape and a dtype that a partial must match
    replaces: ClassVar[dict[Function, Function]] = {}  # its own versions of functions on arrays

    def __init__(self, data: Any, requires_grad: bool, name: str | None) -> None:
        self._array = data
        self._requires_grad = requires_grad
        self.name = name
        self.grad: Any = None
        self.function: Function | None = None
        self.rule: Function | None = None
        self.inputs: tuple[Any, ...] = ()
        self.options = NO_OPTIONS
        self.seen: tuple[Any, ...] = ()
        self.memory: Memory | None = None
        self.birth = next_birth()
        self.is_parameter = requires_grad

    def backward(
        self,
        grad: Any = None,
        create_graph: bool = False,
        *,
        inputs: Iterable["Node"] | None = None,
        into: dict["Node", Any] | None = None,
        watch: Callable[["Node", Any, tuple[Any, ...]], None] | None = None,
    ) -> None:
        """Add d self / d leaf to the `.grad` of every leaf that self depends on: the chain rule.

        grad          the gradient to start from, in the shape of self; 1 by default for a scalar
        create_graph  record this pass as well, so that the gradients can be differentiated
        inputs        compute the gradients of these nodes only; they need not be leaves
        into          a dictionary that receives the gradients, by node, instead of `.grad`
        watch         called at every node with (node, its gradient, a contribution for each input)

        Raises ValueError if self requires no gradient, or if `grad` has another shape or is missing
        for several numbers; RuntimeError if data was changed in place after the graph was made.
        """
        watch = watch or WATCH.get()
        wanted = frozenset(() if inputs is None else inputs)
        oldest = min(x.birth for x in wanted) if wanted else -1
        broadcasts = self.broadcasts
        seed = self.seed(grad, create_graph)
        grads = {self: +seed if self.rule is None else seed}  # a leaf keeps a copy
        queue: list[tuple[int, Any]] = [] if self.rule is None else [(-self.birth, self)]

        # A node is older than everything made from it. So the youngest node in the queue has
        # received every contribution to its gradient.
        while queue:
            node = heappop(queue)[1]
            g = grads[node] if wanted and node in wanted else grads.pop(node)
            arguments = node.differentiable() if create_graph else node.seen

            partials = node.rule(g, *arguments, **node.options)

            if partials.__class__ is not tuple:
                partials = (partials,)
            if len(partials) != len(node.inputs):
                partials = node.completed(partials)
            if watch is not None:
                partials = node.contributions(partials)
                watch(node, g, partials)
            for x, partial in zip(node.inputs, partials):
                if not isinstance(x, Node):
                    continue
                if x.memory is not None and x.memory.changed > node.birth:
                    raise stale(node.rule, x)
                if partial is None or not x._requires_grad or x.birth < oldest:
                    continue
                thunk = callable(partial)
                if thunk:
                    partial = partial()
                data = x._array
                if broadcasts and (partial.shape != data.shape or partial.dtype is not data.dtype):
                    partial = x.fit(partial, node)
                if x in grads:  # never added in place: a rule may return g itself, even twice
                    grads[x] = grads[x] + partial
                elif x.rule is not None:
                    grads[x] = partial
                    heappush(queue, (-x.birth, x))
                else:  # a leaf owns its gradient: a new array from a thunk, or a copy
                    own = thunk and partial is not g and getattr(partial, "base", None) is None
                    grads[x] = partial if own else +partial
            if node.memory is not None and node.memory.changed > node.birth > oldest:
                raise stale(node.rule, node)  # the rule may have read the result

        if watch is not None:
            for x, g in grads.items():
                if x.rule is None:
                    watch(x, g, ())
        gradients = grads if inputs is None else {x: +g for x, g in grads.items() if x in wanted}
        if into is None:
            with adding:
                for x, g in gradients.items():
                    x.accumulate(g)
        else:
            into.update(gradients)

    def seed(self, grad: Any, create_graph: bool) -> Any:
        """The gradient that `backward` starts from, checked."""
        raise NotImplementedError

    def accumulate(self, g: Any) -> None:
        """grad = grad + g. From now on g belongs to this node alone."""
        raise NotImplementedError

    def fit(self, partial: Any, node: "Node") -> Any:
        """The partial that the rule of `node` returned, in the shape and dtype of self."""
        return partial

    def differentiable(self) -> tuple[Any, ...]:
        """The nodes of the data in `seen`: a rule that computes with nodes records a graph."""
        for x, array in zip((self, *self.inputs), self.seen, strict=True):
            if isinstance(x, Node) and x._array is not array:
                raise stale(self.rule, x)
        return (self, *self.inputs)

    def completed(self, partials: tuple[Any, ...]) -> tuple[Any, ...]:
        """The partials, with None for inputs at the end that a rule leaves out, such as axes."""
        missing = self.inputs[len(partials) :]
        forgotten = any(isinstance(x, Node) and x._requires_grad for x in missing)
        if forgotten or len(partials) > len(self.inputs):
            raise wrong_count(self.rule, partials, self.inputs)
        return partials + (None,) * len(missing)

    def contributions(self, partials: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradient for each input, in its shape, with thunks called; None for no gradient."""
        flows = [None] * len(self.inputs)
        for i, (x, partial) in enumerate(zip(self.inputs, partials, strict=True)):
            if isinstance(x, Node) and x._requires_grad and partial is not None:
                flows[i] = x.fit(partial() if callable(partial) else partial, self)
        return tuple(flows)

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes the gradient of this node, or of a leaf behind it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.rule is not None and not wanted:
            raise RuntimeError(
                f"{described(self)} was made by {operation(self.rule)}, and only a leaf can "
                "stop requiring a gradient: use .detach() for the same numbers outside the graph"
            )
        if wanted and not self._requires_grad:
            self._array, self.memory = self.own(self._array), Memory()
            # Graphs made before do not record every use of this node: they are stale.
            self.memory.changed = next_birth()
            self.is_parameter = self.rule is None
        self._requires_grad = bool(wanted)

    @property
    def data(self) -> Any:
        """The number or the array. `node.data = new` does not change older graphs."""
        return self._array

    @data.setter
    def data(self, data: Any) -> None:
        if data is self._array and self.broadcasts:
            # `node.data -= step` calls this setter with the array that it has just changed. Older
            # graphs of all nodes that share this memory are now stale.
            (self.memory or memory_of(self)).changed = next_birth()
        else:
            data = plain(data)
            adopted = data if data.__class__ is self.native else self.adopt(data)
            if adopted is NotImplemented:
                raise TypeError(f"{described(data)} cannot be the data of a {type(self).__name__}")
            # The node keeps its Memory: older graphs use the old array, which may still change.
            self._array = self.replacing(adopted) if self._requires_grad else adopted

    def own(self, data: Any) -> Any:
        """`data` for a node that requires a gradient: floating-point, in memory of its own."""
        return data

    def replacing(self, data: Any) -> Any:
        """Check and return the new data of this node, which requires a gradient."""
        return data

    def zero_grad(self) -> None:
        """Forget the gradient, so that the next `backward` starts from nothing."""
        self.grad = None

    @classmethod
    def adopt(cls, data: Any) -> Any:
        """`data` converted to the native class; NotImplemented if that is impossible."""
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

    # Comparisons have no gradient: they compare data and return plain bools.

    def __eq__(self, other: object) -> Any:
        return self._array == plain(other)

    def __ne__(self, other: object) -> Any:
        return self._array != plain(other)

    def __lt__(self, other: Any) -> Any:
        return self._array < plain(other)

    def __le__(self, other: Any) -> Any:
        return self._array <= plain(other)

    def __gt__(self, other: Any) -> Any:
        return self._array > plain(other)

    def __ge__(self, other: Any) -> Any:
        return self._array >= plain(other)

    # Floor division has no gradient either: it returns plain data.

    def __floordiv__(self, other: Any) -> Any:
        return self._array // plain(other)

    def __rfloordiv__(self, other: Any) -> Any:
        return plain(other) // self._array

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    # Python's numbers carry no gradient, so these conversions warn.

    def __float__(self) -> float:
        return leaving(self, float(self._array), "float")

    def __int__(self) -> int:
        return leaving(self, int(self._array), "int")

    def __round__(self, digits: int | None = None) -> Any:
        return leaving(self, round(float(self._array), digits), "round")

    def __complex__(self) -> complex:
        return leaving(self, complex(self._array), "complex")

    __hash__ = object.__hash__  # identity, since == compares data

    def __bool__(self) -> bool:
        return bool(self._array)

    def __format__(self, spec: str) -> str:
        """`f"{loss:.3f}"` formats the number; without a spec, as `str`."""
        return format(self._array, spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """A leaf is copied and pickled with data, grad and name; a result raises TypeError."""
        if self.rule is not None:
            raise TypeError(
                f"{described(self)} was made by {operation(self.rule)}, and a copy or a pickle "
                "would lose its graph: copy .detach() to leave the graph on purpose"
            )
        state = (None, {"grad": self.grad, "is_parameter": getattr(self, "is_parameter", False)})
        return type(self), (self._array, self._requires_grad, self.name), state


def plain(x: Any) -> Any:
    """The data of a node; anything else as it is."""
    return x._array if isinstance(x, Node) else x


def behind(root: Node) -> set[Node]:
    """The root and every node that it was made from."""
    found, stack = {root}, [root]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in found:
                found.add(x)
                stack.append(x)
    return found


# Threads that add to the same `.grad` take turns. Ctrl-C at the very end of the block may leave the
# lock taken; with an RLock the same thread can still enter.
adding = RLock()
