"""Module: a plain object whose attributes are its parameters and its parts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards, done_or_undone
from tinygrad_edu.graph import Node, plain
from tinygrad_edu.optim.libraries import as_numpy, beside, in_library

CONTAINERS = (list, tuple, dict)
After = Callable[[str, Any], object]


class Module:
    """A part of a network: an object whose `__call__` computes its output.

    A module finds its parts in its attributes, in the order in which these were set, and in the
    lists, tuples and dicts among them:

    modules     are searched in turn
    parameters  Tensors and Values made with requires_grad=True. A parameter that you freeze later
                with requires_grad = False is still saved and loaded, but no optimizer moves it
    buffers     plain arrays: saved with the parameters, never trained

    A part that is found twice is listed once, under its first name. A Tensor that requires no
    gradient, or that was computed from others, is not a part and is not saved. Two parts with the
    same path, such as those under the keys 0 and "0" of a dict, raise ValueError.
    """

    training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __call__ that computes its output")

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Each parameter with its dotted path, such as `layers.0.weight`."""
        for path, x in named_parts(self):
            if is_parameter(x):
                yield path, x

    def parameters(self) -> list[Any]:
        """All parameters, in the order of `named_parameters`."""
        return [x for _, x in walk(self, {id(self)}) if is_parameter(x)]

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, under "", and every module inside it with its dotted path."""
        yield "", self
        for path, x in named_parts(self):
            if isinstance(x, Module):
                yield path, x

    def modules(self) -> Iterator["Module"]:
        """This module and every module inside it."""
        return (module for _, module in self.named_modules())

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """Each plain array with its dotted path."""
        for path, x in named_parts(self):
            if is_buffer(x):
                yield path, x

    @contextmanager
    def watched(self, after: After | None = None) -> Iterator[list[str]]:
        """In the block, list the paths of the modules that are being called, the outermost first.

        after  a function that is called with the path and the output of a module, at the end of
               each call of the module:

            with model.watched(lambda path, y: print(path, y.shape)):
                model(x)

        Python looks up `__call__` in the class. So the block gives each module a subclass of its
        own, which notes the calls. Calls outside of such a block cost nothing extra: to look for a
        hook in every call would add 9 % to the forward pass of a small network.
        """
        calls: list[str] = []
        modules = [(path, module, type(module)) for path, module in self.named_modules()]

        def restore() -> None:
            for _, module, kind in modules:
                module.__class__ = kind

        with afterwards(restore):
            for path, module, kind in modules:
                module.__class__ = noting(kind, path, calls, after)
            yield calls

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    def train(self, mode: bool = True) -> Self:
        """Set `training` of this module and of all modules inside it: True to train, False to use.

        Dropout and BatchNorm compute differently in the two modes.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False in this module and all modules inside it: `train(False)`."""
        return self.train(False)

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Convert all parameters and floating-point buffers to this dtype; forget all gradients.

        Raises TypeError for a dtype that is not floating-point, and if a parameter is a Value.
        """
        if np.dtype(dtype).kind != "f":
            raise TypeError(
                f"parameters are floating-point numbers, and {np.dtype(dtype)} is another dtype; "
                "use np.float32 or np.float64"
            )
        parameters = self.parameters()
        if not all(p.broadcasts for p in parameters):
            raise TypeError("a Value is a Python float and has no other dtype; use Tensors")
        for p in parameters:
            p.data = p.data.astype(dtype)
            p.grad = None
        floats = [x for _, x in self.named_buffers() if x.dtype.kind == "f"]
        self.set_state([], [], floats, [x.astype(dtype) for x in floats])
        return self

    def to(self, library: Any) -> Self:
        """Turn all parameters and buffers into arrays of an array module: numpy, cupy, dask.array.

        The parameters stay the same Tensors, so an optimizer made before still trains them:
        its next step moves what it remembers to the same library. Gradients are set to None.

        Raises TypeError for what is no array module, and for a model of Values.
        """
        parameters, buffers = self.parameters(), [x for _, x in self.named_buffers()]
        if not all(p.broadcasts for p in parameters):
            raise TypeError("a Value is a Python float and is in no library; use Tensors")
        data = [in_library(p.data, library) for p in parameters]
        arrays = [in_library(x, library) for x in buffers]
        self.set_state(parameters, data, buffers, arrays)
        self.zero_grad()
        return self

    def state_dict(self) -> dict[str, Any]:
        """A copy of the data of every parameter and buffer in NumPy's arrays, by its path."""
        return {name: np.array(as_numpy(plain(x))) for name, x in self.named_state()}

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """All that `state_dict` saves: the parameters, then the buffers."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter and buffer from `state`, all of them or none, each in its library.

        The new data is a copy in new memory, so a graph that was made before keeps its numbers.

        Raises ValueError with a list of all problems: names that are missing or unknown, arrays of
        another shape, and numbers that this dtype cannot hold. Floats may be rounded.
        """
        mine = dict(self.named_state())
        theirs = {name: np.asarray(as_numpy(plain(x))) for name, x in state.items()}
        problems = [f"missing: {name}" for name in mine if name not in theirs]
        problems += [f"unknown: {name}" for name in theirs if name not in mine]
        for name in filter(theirs.__contains__, mine):
            array, shape, dtype = theirs[name], np.shape(plain(mine[name])), dtype_of(mine[name])
            if array.shape != shape:
                problems.append(f"{name}: shape {array.shape}, expected {shape}")
            elif not fits(array, dtype):
                problems.append(f"{name}: {array.dtype} {array!s:.40}, expected {dtype}")
        if problems:
            raise ValueError(
                f"this state does not fit {type(self).__name__}, and nothing was loaded:\n  "
                + "\n  ".join(problems)
            )
        new = [beside(theirs[name].astype(dtype_of(x)), plain(x)) for name, x in mine.items()]
        nodes, buffers = self.parameters(), [x for _, x in self.named_buffers()]
        before = [p.data for p in nodes]
        data = [x if p.broadcasts else x.item() for p, x in zip(nodes, new, strict=False)]
        arrays = new[len(nodes) :]
        done_or_undone(
            lambda: self.set_state(nodes, data, buffers, arrays),
            lambda: self.set_state(nodes, before, arrays, buffers),
        )

    def set_state(
        self, nodes: list[Any], data: list[Any], buffers: list[Any], arrays: list[Any]
    ) -> None:
        """Set the data of each node, and put an array into the place of each buffer."""
        for p, x in zip(nodes, data, strict=True):
            if p.data is not x:  # setting the same array counts as a change in place
                p.data = x
        taken = {id(old): new for old, new in zip(buffers, arrays, strict=True)}
        for module in self.modules():
            exchanged(vars(module), taken)

    def extra_repr(self) -> str:
        """The text between the parentheses of the repr, before the parts."""
        return ""

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        parts = [(path, x) for path, x in children(vars(self)) if isinstance(x, Module)]
        if not parts:
            return f"{name}({extra})"
        lines = [f"  ({path}): {x!r}".replace("\n", "\n  ") for path, x in parts]
        return "\n".join([f"{name}({extra}", *lines, ")"])


def noting(kind: type[Module], path: str, calls: list[str], after: After | None) -> type[Module]:
    """A subclass of `kind` that notes its calls."""

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        calls.append(path)
        try:
            out = kind.__call__(self, *args, **kwargs)
        finally:
            calls.pop()
        if after is not None:
            after(path, out)
        return out

    return type(kind.__name__, (kind,), {"__call__": call})


def is_parameter(x: Any) -> bool:
    """Whether x is a node that was made to be trained and was not computed from others."""
    if not isinstance(x, Node) or x.function is not None:
        return False
    return x.requires_grad or getattr(x, "is_parameter", False)


def is_buffer(x: Any) -> bool:
    """Whether x is a plain array, not a node of a graph."""
    return speaks_numpy(x) and not isinstance(x, Node)


def speaks_numpy(x: Any) -> bool:
    return hasattr(type(x), "__array_function__")


def named_parts(module: Module) -> Iterator[tuple[str, Any]]:
    """Every node, module and array inside `module`, once each, with its dotted path."""
    paths = set()
    for path, x in walk(module, {id(module)}):
        if path in paths:
            raise ValueError(
                f"two parts of this {type(module).__name__} have the path {path!r}, and a state "
                'can hold only one of them: in a dict use keys without dots, and not both 0 and "0"'
            )
        paths.add(path)
        yield path, x


def walk(module: Module, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every node, module and array inside `module` that is not in `seen` yet, depth first."""
    for path, x in children(vars(module)):
        if id(x) in seen:
            continue
        seen.add(id(x))
        yield path, x
        if isinstance(x, Module):
            yield from ((f"{path}.{deeper}", y) for deeper, y in walk(x, seen))


def children(container: Any) -> Iterator[tuple[str, Any]]:
    """The nodes, modules and arrays in a container and the containers in it, with their paths."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, x in items:
        if isinstance(x, CONTAINERS):
            yield from ((f"{key}.{path}", y) for path, y in children(x))
        elif isinstance(x, Node) or speaks_numpy(x) or isinstance(x, Module):
            yield str(key), x


def generators_of(module: Module) -> Iterator[np.random.Generator]:
    """The generators of a module and of the modules inside it, such as a dropout layer."""
    for part in module.modules():
        yield from (x for x in vars(part).values() if isinstance(x, np.random.Generator))


def exchanged(x: Any, taken: Mapping[int, Any]) -> Any:
    """x with taken[id(array)] in place of each array; lists and dicts are changed in place."""
    if isinstance(x, dict):
        x.update({key: exchanged(y, taken) for key, y in x.items()})
    elif isinstance(x, list):
        x[:] = [exchanged(y, taken) for y in x]
    elif isinstance(x, tuple):
        new = [exchanged(y, taken) for y in x]
        if any(y is not z for y, z in zip(x, new, strict=True)):
            return type(x)(*new) if hasattr(x, "_fields") else type(x)(new)
    return taken.get(id(x), x)


def dtype_of(x: Any) -> Any:
    """That of the data of a node, of an array, or of a float."""
    return getattr(plain(x), "dtype", None) or np.dtype(float)


def fits(array: Any, dtype: Any) -> bool:
    """Whether `array` keeps its values in this dtype; floating-point numbers may be rounded."""
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        return False
    return dtype.kind in "fc" or np.array_equal(array.astype(dtype), array)
