"""How are the elements of a Tensor sorted, or chosen as the elements of a set?

The choice itself has no derivative. Each result is an element of the input and passes its gradient
to it.
"""

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.indexing import take_along_axis


@composes(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    if axis is None:
        a, axis = a.reshape(-1), 0
    return take_along_axis(a, np.argsort(a, axis, kind=kind, order=order, stable=stable), axis)


@composes(np.partition)
def partition(a, kth, axis=-1, kind="introselect", order=None):
    if axis is None:
        a, axis = a.reshape(-1), 0
    return take_along_axis(a, np.argpartition(a, kth, axis, kind, order), axis)


@composes(np.lexsort)
def lexsort(keys, axis=-1):
    return np.lexsort([plain(key) for key in keys], axis)


# Sets


def elements(values, *arrays):
    """Each of `values` as the first element of the arrays that is equal to it."""
    flat = np.concatenate([np.reshape(x, -1) for x in arrays])
    known, first = np.unique(plain(flat), return_index=True)
    return flat[first[np.searchsorted(known, values)]]


@composes(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, **options):
    _, first, *rest = np.unique(plain(ar), True, return_inverse, return_counts, axis, **options)
    answers = np.take(ar, first, axis), *([first] if return_index else []), *rest
    return answers if len(answers) > 1 else answers[0]


@composes(np.unique_values)
def unique_values(x, /):
    return elements(np.unique_values(plain(x)), x)


def with_elements(function):
    def found(x, /):
        answer = function(plain(x))
        return answer._replace(values=elements(answer.values, x))

    composes(function)(found)


for unique_of in (np.unique_all, np.unique_counts, np.unique_inverse):
    with_elements(unique_of)


@composes(np.union1d)
def union1d(ar1, ar2):
    return elements(np.union1d(plain(ar1), plain(ar2)), ar1, ar2)


@composes(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    return elements(np.setdiff1d(plain(ar1), plain(ar2), assume_unique), ar1)


@composes(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    return elements(np.setxor1d(plain(ar1), plain(ar2), assume_unique), ar1, ar2)


@composes(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    values, *indices = np.intersect1d(plain(ar1), plain(ar2), assume_unique, True)
    values = elements(values, ar1, ar2)
    return (values, *indices) if return_indices else values
