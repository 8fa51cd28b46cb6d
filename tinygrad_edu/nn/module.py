"""Module: a plain object whose attributes are its parameters and its parts."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import Node, plain


class Module:
    """A part of a network, with a `__call__` that computes.

    Its parameters are found by walking its attributes, in the order in which they were set: nodes
    are parameters, unless they were computed from others; modules are walked in turn, and so are
    lists, tuples and dicts of either. What is reached twice is listed once, under its first name.
    Plain arrays are buffers: they are saved with the parameters, and no optimizer trains them.
    """

    training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __call__ that computes its output")

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Each parameter with its dotted path, such as `layers.0.weight`."""
        for path, x in walk(self, {id(self)}):
            if isinstance(x, Node) and x.function is None:
                yield path, x

    def parameters(self) -> list[Any]:
        """All parameters, in the order of `named_parameters`."""
        return [p for _, p in self.named_parameters()]

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, under "", and every module inside it with its dotted path."""
        yield "", self
        for path, x in walk(self, {id(self)}):
            if isinstance(x, Module):
                yield path, x

    def modules(self) -> Iterator["Module"]:
        """This module and every module inside it."""
        return (module for _, module in self.named_modules())

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """Each plain array that is an attribute of a module, with its dotted path."""
        for path, module in self.named_modules():
            for name, x in vars(module).items():
                if is_buffer(x):
                    yield f"{path}.{name}" if path else name, x

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    def train(self, mode: bool = True) -> Self:
        """Tell this module and all inside it that they are being trained (or, False, used)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Tell this module and all inside it that they are being used: `train(False)`."""
        return self.train(False)

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Turn all parameters and buffers of floats into this dtype; gradients are forgotten."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"parameters are floating-point numbers; {np.dtype(dtype)} is not")
        parameters = self.parameters()
        if not all(p.broadcasts for p in parameters):
            raise TypeError("a Value is a Python float and has no other dtype; use Tensors")
        for p in parameters:
            p.data = p.data.astype(dtype)
            p.grad = None
        for module in self.modules():
            for name, x in vars(module).items():
                if is_buffer(x) and x.dtype.kind == "f":
                    setattr(module, name, x.astype(dtype))
        return self

    def state_dict(self) -> dict[str, Any]:
        """A copy of the data of every parameter and buffer, by its path."""
        return {name: np.array(plain(x)) for name, x in self.named_state()}

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """All that `state_dict` saves: the parameters, then the buffers."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter and buffer from `state`, all of them or none.

        Raises ValueError that lists every name that is missing, unknown or of another shape.
        """
        mine = dict(self.named_state())
        problems = [f"missing: {name}" for name in mine if name not in state]
        problems += [f"unknown: {name}" for name in state if name not in mine]
        problems += [
            f"{name}: shape {np.shape(state[name])}, expected {np.shape(plain(x))}"
            for name, x in mine.items()
            if name in state and np.shape(state[name]) != np.shape(plain(x))
        ]
        if problems:
            raise ValueError(
                f"this state does not fit {type(self).__name__}, and nothing was loaded:\n  "
                + "\n  ".join(problems)
            )
        arrays = [np.array(state[name], np.asarray(plain(x)).dtype) for name, x in mine.items()]
        for x, array in zip(mine.values(), arrays, strict=True):
            if isinstance(x, Node):
                x.data = array if x.broadcasts else array.item()
            else:
                x[...] = array

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr, before the parts."""
        return ""

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        parts = [(path, x) for path, x in children(vars(self)) if isinstance(x, Module)]
        if not parts:
            return f"{name}({extra})"
        lines = [f"  ({path}): {x!r}".replace("\n", "\n  ") for path, x in parts]
        return "\n".join([f"{name}({extra}", *lines, ")"])


def is_buffer(x: Any) -> bool:
    """Whether an attribute is an array, and no part of a graph."""
    return hasattr(x, "__array_function__") and not isinstance(x, Node)


def children(container: Any) -> Iterator[tuple[str, Any]]:
    """The nodes and modules in a container and the containers in it, with their paths."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, x in items:
        if isinstance(x, Node | Module):
            yield str(key), x
        elif isinstance(x, list | tuple | dict):
            yield from ((f"{key}.{path}", y) for path, y in children(x))


def walk(module: Module, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every node and module below `module` not seen before, depth first, with dotted paths."""
    for path, x in children(vars(module)):
        if id(x) in seen:
            continue
        seen.add(id(x))
        yield path, x
        if isinstance(x, Module):
            yield from ((f"{path}.{deeper}", y) for deeper, y in walk(x, seen))
