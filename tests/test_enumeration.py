"""Every public callable of NumPy with tracked Tensors: no number leaves the graph in silence.

Each is called on plain arrays with arguments of many kinds, by position and by name. In each call
that works, one number or array after the other becomes a tracked Tensor. Then every number in the
answer is tracked and has the right slope, or does not depend on the Tensor; or there is an error,
or a warning, that says so.
"""

import inspect
import warnings
from contextlib import suppress
from functools import cache

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.messages import LeavesGraphWarning

MODULES = {"np": np, "np.linalg": np.linalg, "np.ma": np.ma, "np.fft": np.fft}

# They take no arrays, or make no numbers of them. (np.bmat answers None to a Tensor.)
SETTINGS = """
    errstate fft.test get_include get_printoptions getbufsize geterr geterrcall info linalg.test
    linalg.LinAlgError ma.MAError ma.MaskError ma.test printoptions set_printoptions setbufsize
    seterr seterrcall show_config show_runtime test
"""
FILES = """
    fromfile fromregex fromstring genfromtxt load loadtxt memmap save savetxt savez
    savez_compressed
"""
TEXT_AND_DATES = """
    array2string array_repr array_str base_repr binary_repr busday_count busday_offset
    busdaycalendar bytes_ datetime64 datetime_as_string datetime_data format_float_positional
    format_float_scientific is_busday isnat str_ timedelta64
"""
TYPES = """
    bmat can_cast character complexfloating dtype finfo flatiter flexible floating frompyfunc
    generic iinfo inexact integer isdtype isscalar issubdtype iterable ma.flatten_structured_array
    ma.fromflex ma.ids ma.make_mask_descr ma.mvoid mintypecode nested_iters number promote_types
    record signedinteger typename ufunc unsignedinteger vectorize void
"""
WHOLE_NUMBERS = """
    broadcast_shapes ma.bitwise_and ma.bitwise_or ma.bitwise_xor ma.fromfunction ma.identity
    ma.indices ma.left_shift ma.make_mask_none ma.masked_all ma.ones ma.right_shift ma.zeros ndindex
    packbits ravel_multi_index unpackbits unravel_index
"""
UNINITIALIZED = "empty empty_like ma.empty ma.empty_like ma.masked_all_like ndarray recarray"
EXCLUDED = f"{SETTINGS} {FILES} {TEXT_AND_DATES} {TYPES} {WHOLE_NUMBERS} {UNINITIALIZED}"

# They read one triangle and have a symmetric gradient.
# Their slopes, which are not those of differences, are in test_rules_linalg.py.
SLOPES_ELSEWHERE = {np.linalg.cholesky, np.linalg.eigh}

V = np.array([0.3, 1.7, 2.4, 0.93])
W = np.array([1.2, 0.6, 0.4, 1.9])
Z = np.array([0.0, 0.5, -1.4, 2.2])
M = np.array([[3.1, 0.21, 0.07], [0.04, 2.9, 0.03], [0.1, 0.06, 3.0]])
N = np.array([[0.7, 1.1, 0.33], [1.4, 0.22, 0.85], [0.57, 0.9, 1.6]])
BLOCK = np.concatenate([V, 1 / W]).reshape(2, 2, 2)
COLUMN = np.array([[0], [1], [2]])
MASK = np.array([True, False, True, True])

POSITIONAL = [
    *[(V,), (M,), (BLOCK,), (0.8,), ([V, W],), ([M, N],), ([V], [W]), (3,), ((3,),)],
    *[(V, W), (M, N), (M, N[0]), (V, 0.8), (0.7, V), (M, 0.8), (0.8, 2.1), (Z, V), (V, Z)],
    *[(M, 1), (V, 1), (2, V), (3, 0.8), (3, 3), ((3,), 0.8), (V, (2, 2)), (BLOCK, 2), (M, 0, 1)],
    *[(V, MASK), (MASK, V), (MASK, V, W), ([MASK], [V]), (np.arange(4), V), (V, np.arange(4))],
    *[(V, W, 0.8), (V, W, V + W), (V, 1, 0.8), (V, 0.8, 0.9), (V, 0.8, 2.1), (0.8, 2.1, 5)],
    *[(V, [1, 2], [0.8, 0.9]), (V, MASK, W), ([0, 1, 3, 2], [V, W]), (V, W, 2)],
    *[(M, [[0], [1], [2]], 0.8, 1), (M, [[0], [1], [2]], 1), (np.sum, 0, M), (np.sum, M, 0)],
    *[(V, [V > 1, V < 1], [0.8, 0.9]), ("i,i", V, W), ("ij,jk", M, N), (V, [0, 1, 4])],
    *[(np.uint8([1, 0, 1]),), (M, V), (BLOCK, 0, 1, 0.8)],
    *[(M, COLUMN, 1), (M, COLUMN, 0.8, 1)],
]
ONLY_FOR = {
    "astype": [(V, float)],
    "fromiter": [(V, float)],
    "fromfunction": [(np.add, (2, 2))],
    "mask_indices": [(3, np.triu)],
}
BY_NAME = [0.6, 4.2, W, N, [0.6, 2.1], (0.6, 2.1)]


@cache
def callables():
    """NumPy's public callables: {name: callable}."""
    found = {}
    for prefix, module in MODULES.items():
        for name in dir(module):
            thing = getattr(module, name)
            if not name.startswith("_") and callable(thing):
                found[f"{prefix}.{name}".removeprefix("np.")] = thing
    return found


NAMES = sorted(callables().keys() - EXCLUDED.split())


def keywords(function):
    if isinstance(function, np.ufunc):
        return ["where"]
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # some that are written in C
        return ["initial", "where", "like", "axis", "dtype", "left", "right", "ddof"]
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return [p.name for p in parameters if p.kind in kinds and p.name not in ("out", "dtype")]


def copied(x):
    """A call whose arrays may be changed."""
    if isinstance(x, np.ndarray):
        return x.copy()
    if isinstance(x, dict):
        return {k: copied(y) for k, y in x.items()}
    return type(x)(map(copied, x)) if type(x) in (list, tuple) else x


def works(function, call):
    """Whether NumPy takes a call."""
    args, options = copied(call)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            function(*args, **options)
        except Exception:
            return False
        return True


@cache
def calls(name):
    """Calls that work on plain arrays: (arguments, options)."""
    function, positional = callables()[name], POSITIONAL + ONLY_FOR.get(name, [])
    found = [(args, {}) for args in positional if works(function, (args, {}))]
    for args, _ in found[:4]:
        for keyword in keywords(function):
            trials = [(args, {keyword: x}) for x in BY_NAME]
            found += [call for call in trials if works(function, call)]
    return found


def places(x, wanted, path=()):
    """Where in a call there is what is wanted."""
    if wanted(x):
        yield path
    elif isinstance(x, dict):
        for k, y in x.items():
            yield from places(y, wanted, (*path, k))
    elif type(x) in (list, tuple):
        for i, y in enumerate(x):
            yield from places(y, wanted, (*path, i))


def is_real(x):
    return isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def at(call, path):
    for key in path:
        call = call[key]
    return call


def put(call, path, x):
    """The call with x at a place."""
    if not path:
        return x
    key, *rest = path
    if isinstance(call, dict):
        return {**call, key: put(call[key], rest, x)}
    return type(call)(put(y, rest, x) if i == key else y for i, y in enumerate(call))


def leaves(x):
    """The Tensors and the arrays of numbers in an answer."""
    if isinstance(x, np.poly1d):
        x = x.coeffs
    if isinstance(x, np.ma.MaskedArray):
        x = x.filled(7) if x.dtype.kind in "fciub" else None
    if isinstance(x, Tensor):
        return [x]
    if isinstance(x, np.ndarray | np.generic | float | complex | int):
        x = np.asarray(x)
        return [x] if x.dtype.kind in "fciub" else []
    if isinstance(x, dict):
        x = x.values()
    elif not isinstance(x, list | tuple):
        return []
    return [leaf for y in x for leaf in leaves(y)]


def answer(function, call, path):
    """The leaves of what a call gives, and of what it left in its arguments but that at `path`."""
    call = args, options = copied(call)
    with np.errstate(all="ignore"):
        out = function(*args, **options)
        out = list(out) if hasattr(out, "__next__") else out
    return leaves([out, put(call, path, None)])


def slopes(function, call, path, direction, h):
    """How fast each leaf of the answer changes along a direction: central differences."""
    x = at(call, path)
    ends = []
    for step in (h, -h):
        moved = x + step * direction
        moved = moved if isinstance(x, np.ndarray) else moved.item()
        ends.append(answer(function, put(call, path, moved), path))
    with np.errstate(all="ignore"):
        return [
            (1.0 * b - 1.0 * a) / (2 * h) if a.shape == b.shape else np.nan for b, a in zip(*ends)
        ]  # nan: there are more or fewer numbers, as np.unique may give


def expect_close(x, expected):
    """Equal bits first: that is the rule, and ten times as fast to see."""
    if x.shape != expected.shape or x.tobytes() != expected.tobytes():
        np.testing.assert_allclose(x, expected, 1e-12, 1e-12, err_msg="not NumPy's answer")


def outcome(function, call, path):
    """Whether the answer is "tracked", "plain" or "refused"; an error for slopes that are lost."""
    x = np.asarray(at(call, path), float)
    t = Tensor(x, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = answer(function, put(call, path, t), path)
        except REFUSALS:
            found = None
    np.testing.assert_array_equal(t.data, x, "the Tensor was changed in place")
    if found is None or any(w.category is LeavesGraphWarning for w in caught):
        return "refused"

    direction = np.cos(1 + np.arange(x.size)).reshape(x.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = answer(function, call, path)
        wide, narrow = (slopes(function, call, path, direction, h) for h in (1e-4, 1e-5))
    for y, array, rough, slope in zip(found, expected, wide, narrow, strict=True):
        expect_close(y.data, array)
        if np.shape(slope) != np.shape(array) or function in SLOPES_ELSEWHERE:
            continue
        # The difference across a jump grows as h shrinks, and is no slope.
        smooth = np.abs(slope - rough) <= 1e-3 * np.abs(slope) + 1e-6
        smooth = smooth & np.isfinite(slope) & np.isfinite(array)
        slope = np.where(smooth, slope, 0.0)
        if not (isinstance(y, Tensor) and y.requires_grad):
            assert not np.any(np.abs(slope) > 1e-5), f"plain, with a slope of {slope}"
        elif np.any(smooth):
            t.zero_grad()
            with np.errstate(all="ignore"):
                y.backward(np.where(smooth, 1.0, 0.0))
            ours = 0.0 if t.grad is None else np.vdot(t.grad, direction)
            if np.all(smooth) or np.isfinite(ours):  # 0 times an infinite partial is nan
                np.testing.assert_allclose(ours, np.sum(slope), 1e-4, 1e-6)
    return "tracked" if any(isinstance(y, Tensor) for y in found) else "plain"


REFUSALS = TypeError, NotImplementedError, AttributeError, ValueError, np.ma.MaskError


@pytest.mark.parametrize("name", NAMES)
def test_no_number_leaves_the_graph_in_silence(name):
    function = callables()[name]
    tried = [(call, path) for call in calls(name) for path in places(call, is_real)]
    assert tried, "no arguments in POSITIONAL are right for it: add some"
    for call, path in tried:
        try:
            outcome(function, call, path)
        except Exception as error:
            error.add_note(f"np.{name} of {call} with a Tensor at {path}")
            raise


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_is_no_place_for_an_answer(name):
    function = callables()[name]
    for args, options in calls(name):
        if options or (isinstance(function, np.ufunc) and len(args) > function.nin):
            continue  # the last argument of the ufunc is `out` already
        t = Tensor(np.full(np.shape(args[0]), 7.0))
        with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(*REFUSALS):
            warnings.simplefilter("ignore")
            function(*copied(args), out=t)
        np.testing.assert_array_equal(t.data, np.full(t.shape, 7.0))


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_may_be_a_tensor_or_is_refused(name):
    """Indices, counts and shapes among them: the answer is NumPy's, or an error, not a loop."""
    function = callables()[name]
    for call, path in [(c, path) for c in calls(name) for path in places(c, is_number)]:
        x = np.asarray(at(call, path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = answer(function, put(call, path, Tensor(x)), path)
                expected = answer(function, put(call, path, x), path)
            except (*REFUSALS, IndexError):
                continue
        for y, array in zip(found, expected, strict=True):
            expect_close(y.data, array)


def is_number(x):
    return isinstance(x, int | float | np.ndarray)
