"""A tiny array library of somebody else: it speaks NumPy's two protocols and is no NumPy.

Like CuPy's arrays, its arrays never become NumPy's unasked: only `get()` gives one. The module is
the library: `Module.to(foreign)` takes it.
"""

import numpy as np


class Foreign(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, array):
        self.array = np.asarray(array)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if not all(map(is_known, inputs)):
            return NotImplemented
        options = {name: unwrap(x) for name, x in options.items()}
        return wrap(getattr(ufunc, method)(*map(unwrap, inputs), **options))

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(kind, Foreign | np.ndarray) for kind in types):
            return NotImplemented
        return wrap(function(*map(unwrap, args), **{k: unwrap(x) for k, x in kwargs.items()}))

    def __array__(self, *args, **kwargs):
        raise AssertionError("the engine looked inside the data")

    def get(self):
        return self.array.copy()

    def __getitem__(self, index):
        return wrap(self.array[unwrap(index)])

    def __setitem__(self, index, value):
        self.array[unwrap(index)] = unwrap(value)

    def __len__(self):
        return len(self.array)

    def __bool__(self):
        return bool(self.array)

    def __int__(self):
        return int(self.array)

    def __float__(self):
        return float(self.array)

    def __repr__(self):
        return f"Foreign{self.array.shape}"

    def __getattr__(self, name):
        if name.startswith("__"):  # __array_interface__ and the like give the memory away
            raise AttributeError(name)
        attribute = getattr(self.array, name)
        if callable(attribute):
            return lambda *args, **kwargs: wrap(attribute(*map(unwrap, args), **kwargs))
        return wrap(attribute)


def asarray(x):
    return x if isinstance(x, Foreign) else Foreign(np.array(x))


def is_known(x):
    return isinstance(x, Foreign | np.ndarray | np.generic) or not hasattr(x, "__array_ufunc__")


def unwrap(x):
    if isinstance(x, list | tuple):
        return of_kind(x, map(unwrap, x))
    return x.array if isinstance(x, Foreign) else x


def wrap(x):
    if isinstance(x, list | tuple):
        return of_kind(x, map(wrap, x))
    return Foreign(x) if isinstance(x, np.ndarray | np.generic) else x


def of_kind(x, parts):
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
