"""Modules made of modules."""

from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_edu.nn.module import Module


class Sequential(Module):
    """y = fn(... f2(f1(x))): its parts one after the other."""

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for layer in layers:
            if isinstance(layer, type):
                name = layer.__name__
                raise TypeError(f"Sequential takes layers, and {name} is a class: write {name}()")
            if not callable(layer):
                raise TypeError(f"Sequential takes layers, and {layer!r} cannot be called")
        self.layers = list(layers)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)
