"""How are products of arrays summed over several axes? By tensordot and by einsum."""

import math
from string import ascii_letters, ascii_lowercase, ascii_uppercase

import numpy as np

from tinygrad_edu.graph import backward_of, primitive
from tinygrad_edu.numpy_api.arguments import array, in_one_dtype
from tinygrad_edu.numpy_api.dispatch import composes


@composes(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    a, b = array(a), array(b)
    if np.ndim(axes) == 0 and not isinstance(axes, tuple | list):
        of_a, of_b = range(a.ndim - axes, a.ndim), range(axes)
    else:
        of_a, of_b = ((i,) if np.ndim(i) == 0 else i for i in axes)
    of_a, of_b = [i % a.ndim for i in of_a], [i % b.ndim for i in of_b]
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(
            f"tensordot of {a.shape} and {b.shape}: axes {tuple(of_a)} of the one "
            f"and {tuple(of_b)} of the other differ in length"
        )
    rows = [i for i in range(a.ndim) if i not in of_a]
    columns = [i for i in range(b.ndim) if i not in of_b]
    n = math.prod(a.shape[i] for i in of_a)
    shape = [*(a.shape[i] for i in rows), *(b.shape[i] for i in columns)]
    left = np.transpose(a, [*rows, *of_a]).reshape((math.prod(a.shape[i] for i in rows), n))
    right = np.transpose(b, [*of_b, *columns])
    right = right.reshape((n, math.prod(b.shape[i] for i in columns)))
    return (left @ right).reshape(shape)


@composes(np.einsum)
def einsum(*operands, optimize=False):
    """einsum in any form, by `contract`; diagonals and sums over one operand are taken first."""
    if not isinstance(operands[0], str):
        operands = with_letters(operands)
    subscripts, *arrays = operands
    arrays = in_one_dtype(arrays)
    terms, output = explicit(subscripts.replace(" ", ""), arrays)
    sizes = {}
    for term, x in zip(terms, arrays):
        if len(term) != x.ndim:
            raise ValueError(
                f"einsum {subscripts!r}: {term!r} does not fit an array of shape {x.shape}"
            )
        for letter, n in zip(term, x.shape):
            if n != 1 and sizes.setdefault(letter, n) != n:
                raise ValueError(
                    f"einsum {subscripts!r}: the index {letter!r} has two lengths, "
                    f"{sizes[letter]} and {n}"
                )

    for i, x in enumerate(arrays):
        terms[i], arrays[i] = diagonal_of(*unstretched(terms[i], x, sizes))
    for i, x in enumerate(arrays):
        elsewhere = output + "".join(terms[:i] + terms[i + 1 :])
        alone = tuple(axis for axis, letter in enumerate(terms[i]) if letter not in elsewhere)
        if alone:
            arrays[i] = x.sum(axis=alone)
            terms[i] = "".join(letter for letter in terms[i] if letter in elsewhere)
    return contract(*arrays, subscripts=f"{','.join(terms)}->{output}", optimize=optimize)


@primitive
def contract(*operands, subscripts="", optimize=False):
    """np.einsum(subscripts, *operands), with every index written out.

    No operand has an index twice, and each index of an operand is also in the output or in another
    operand.
    """
    return np.einsum(subscripts, *operands, optimize=optimize)


@backward_of(contract)
def einsum_backward(g, out, *operands, subscripts="", optimize=False):
    # einsum is linear in each operand: output and operand change places.
    terms, output = subscripts.split("->")
    terms = terms.split(",")

    def partial(i):
        others = ",".join([output, *terms[:i], *terms[i + 1 :]])
        arrays = g, *operands[:i], *operands[i + 1 :]
        return np.einsum(f"{others}->{terms[i]}", *arrays, optimize=optimize)

    return tuple(lambda i=i: partial(i) for i in range(len(operands)))


def explicit(subscripts, arrays):
    """The letters of each operand and of the output, with new letters in place of `...`."""
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"einsum {subscripts!r} takes {len(terms)} arrays, and got {len(arrays)}")
    letters = inputs.replace("...", "").replace(",", "")
    if not arrow:
        output = "..." + "".join(sorted(c for c in letters if letters.count(c) == 1))
    widths = [x.ndim - len(term) + 3 if "..." in term else 0 for term, x in zip(terms, arrays)]
    unused = [c for c in ascii_letters if c not in subscripts]
    dots = "".join(unused[: max(widths)])
    if dots and "..." not in output:
        raise ValueError(f"einsum {subscripts!r}: the output needs a '...' as well")
    terms = [term.replace("...", dots[len(dots) - w :]) for term, w in zip(terms, widths)]
    return terms, output.replace("...", dots)


def unstretched(term, x, sizes):
    """An operand without the axes of length 1 that einsum would broadcast."""
    stretched = [n == 1 and letter in sizes for letter, n in zip(term, x.shape)]
    if not any(stretched):
        return term, x
    kept = "".join(letter for letter, s in zip(term, stretched) if not s)
    return kept, x[tuple(0 if s else slice(None) for s in stretched)]


def diagonal_of(term, x):
    """An operand and its letters after diagonals are taken, so that no letter occurs twice."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            x = np.diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    return term, x


def with_letters(operands):
    """einsum(x, [0, 1], y, [1, 2], [0, 2]) as einsum("AB,BC->AC", x, y)."""
    arrays, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    letters = ascii_uppercase + ascii_lowercase
    terms = ["".join("..." if i is ... else letters[i] for i in axes) for axes in lists]
    subscripts = ",".join(terms)
    if len(operands) % 2:
        subscripts += "->" + "".join("..." if i is ... else letters[i] for i in operands[-1])
    return subscripts, *arrays
