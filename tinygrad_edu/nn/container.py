"""Containers of modules, and modules that only reshape x or return it as it is."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.nn.module import Module

Function = Callable[[Any], Any]


class ModuleList(Module):
    """A list of layers: it finds their parameters, and your own `__call__` uses the layers.

    A slice is a module of the same class that shares its layers. Raises TypeError for anything that
    cannot be called.
    """

    def __init__(self, modules: Iterable[Function] = ()) -> None:
        self.layers: list[Any] = []
        self.extend(modules)

    def append(self, layer: Function) -> Self:
        """Add one layer at the end."""
        check_layer(self, layer)
        self.layers.append(layer)
        return self

    def extend(self, modules: Iterable[Function]) -> Self:
        """Add layers at the end."""
        for layer in modules:
            self.append(layer)
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self.layers[index]
        part = copy.copy(self)
        part.layers = self.layers[index]
        return part

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)


class Sequential(ModuleList):
    """y = fn(... f2(f1(x))): its layers one after the other; y = x if there are none."""

    def __init__(self, *layers: Function) -> None:
        super().__init__(layers)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class Residual(Module):
    """y = x + f(x), so that f learns what to change.

    Raises ValueError if f(x) does not have the shape of x.

    He et al. 2016, "Deep residual learning for image recognition", section 3.2, equation 1.
    """

    def __init__(self, layer: Function) -> None:
        check_layer(self, layer)
        self.layer = layer

    def __call__(self, x: Any) -> Any:
        y = self.layer(x)
        shape, added = np.shape(plain(x)), np.shape(plain(y))
        if shape != added:
            raise ValueError(
                f"Residual adds f(x) to x, and f turned x of shape {shape} into {added}; "
                "the two shapes must be the same"
            )
        return x + y


class Flatten(Module):
    """x with the axes from start_dim to end_dim joined into one: by default all but the first.

    Raises ValueError for an x that has no such axes.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def __call__(self, x: Any) -> Any:
        start, end = (i + x.ndim if i < 0 else i for i in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"Flatten joins the axes from {self.start_dim} to {self.end_dim}, "
                f"and x of shape {x.shape} has no such axes"
            )
        joined = math.prod(x.shape[start : end + 1])  # for an empty x, -1 would be ambiguous
        return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """y = x."""

    def __call__(self, x: Any) -> Any:
        return x


def check_layer(owner: Module, layer: Any) -> None:
    name = type(owner).__name__
    if isinstance(layer, type):
        kind = layer.__name__
        raise TypeError(f"{name} takes layers, and {kind} is a class: write {kind}()")
    if not callable(layer):
        raise TypeError(f"{name} takes layers, and {layer!r} cannot be called")
