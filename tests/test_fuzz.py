"""Random programs on Tensors and Values: values, gradients and second derivatives are right.

FUZZ_PROGRAMS says how many programs are run, FUZZ_SEED the seed of the first. To see one again:
FUZZ_SEED=17 FUZZ_PROGRAMS=1 pytest tests/test_fuzz.py -n 0 -k random. What a program is, and what
is compared, says fuzz/.
"""

import math
import os
import warnings

import numpy as np
import pytest
from drawn import long
from fuzz import generator, shrinker
from fuzz.checks import DifferenceError, check, nodes
from fuzz.operations import SCALARS, TABLE
from fuzz.programs import MATH, NUMPY, VALUES, Input, Operation, Program, leaf, printed, run, total

from tinygrad_edu import Tensor, kernels, tensor
from tinygrad_edu.graph import RULES, behind, plain
from tinygrad_edu.numpy_api.dispatch import COMPOSITIONS

COUNT = int(os.environ.get("FUZZ_PROGRAMS", "200"))
FIRST = int(os.environ.get("FUZZ_SEED", "0"))
PART = 250  # programs in one test, so that several processes can share them


@pytest.mark.parametrize("start", range(FIRST, FIRST + COUNT, PART))
def test_random_programs_are_right(start, record_property):
    seeds = range(start, min(start + PART, FIRST + COUNT))
    verdicts, reports = [], []
    for seed in seeds:
        program = generator.program(seed)
        try:
            verdicts.append(check(program))
        except DifferenceError:
            reports.append(report(seed, program))
    unjudged = sum(not any(verdict) for verdict in verdicts)
    seconded = sum(verdict.autograd for verdict in verdicts)
    record_property("fuzz", [len(seeds), len(reports), unjudged, seconded])
    assert not reports, "\n\n".join(reports[:3])
    assert unjudged <= 1 + 0.04 * len(seeds), f"{unjudged} programs are ill-conditioned"


def test_autograd_gives_a_second_opinion():
    pytest.importorskip("autograd", reason="autograd is not installed: pip install autograd")
    opinions = [check(generator.program(seed)).autograd for seed in range(FIRST, FIRST + 100)]
    assert sum(opinions) >= 5


def report(seed, program):
    """The shortest form of a failing program, as lines to run, and what is wrong with it."""
    short = shrinker.shrunk(program)
    with pytest.raises(DifferenceError) as caught:
        check(short)
    return f"Seed {seed} fails. Its shortest form:\n\n{printed(short)}\n\n{caught.value}"


# Is the fuzzer any good? It draws what it should, and finds the faults that are put back.


def drawn(row, scalar, tries=2000):
    """A program of one operation, which is of this row."""
    make, library = (generator.scalars, MATH) if scalar else (generator.arrays, NUMPY)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        for _ in range(tries):
            inputs = make(rng)
            values = [library.evaluate(x.layout, x.data) for x in inputs]
            tracked = [x.tracked for x in inputs]
            try:
                operation, _ = generator.drawn(rng, row, values, tracked, library)
            except generator.REFUSALS:
                continue
            return Program(tuple(inputs), (operation,)), values
    raise AssertionError(f"no operation is drawn for {row.text}")


def test_every_row_is_drawn_and_every_rule_is_called():
    known = {"np.matvec": "since NumPy 2.2", "np.vecmat": "since NumPy 2.2"}
    rules = set()
    for rows in [*TABLE, SCALARS]:
        for row in rows:
            missing = [name for name in known if name in row.text and not hasattr(np, name[3:])]
            if missing:
                continue
            program, values = drawn(row, rows is SCALARS)
            library = VALUES if rows is SCALARS else NUMPY
            values = run(program, nodes(program, values), library)
            total(program, values, library).backward(create_graph=True)
            gradients = [values[i].grad for i in program.leaves if values[i].grad is not None]
            rules.update(x.rule for y in [values[-1], *gradients] for x in behind(y) if x.rule)
    assert {rule.__name__ for rule in RULES.values()} == {rule.__name__ for rule in rules}


def test_a_seed_is_a_program():
    lengths = set()
    for seed in range(60):
        program = generator.program(seed)
        assert repr(program) == repr(generator.program(seed))
        lengths.add(len(program.operations))
    assert min(lengths) >= 3
    assert max(lengths) in (29, 30)


def test_a_leaf_computes_with_memory_of_any_layout():
    for layout in generator.LAYOUTS:
        array = NUMPY.evaluate(layout, np.ones((2, 3)))
        x = leaf(array)
        assert np.shares_memory(x.data, array)
        assert x.data.strides == array.strides


# Each fault is put in by a function of monkeypatch, and is found as a difference of some kinds.


def with_rule(function, rule):
    """A function of the table, in all its spellings, with another rule."""

    def put(patch):
        right = RULES[function]
        rule.__name__ = right.__name__
        for other in [f for f, its_rule in RULES.items() if its_rule is right]:
            patch.setitem(RULES, other, rule)

    return put


def averaged(g, shape):
    """`unbroadcast` with a mean for the sum."""
    while g.ndim > len(shape):
        g = g.mean(axis=0)
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i])
    return g.mean(axis=stretched, keepdims=True) if stretched else g


def negated_in_place(g, out, x, y):
    mine = isinstance(g, np.ndarray) and g.flags.writeable
    return g, np.negative(g, out=g) if mine else -g


def added_in_place(x, g):
    if isinstance(x.grad, np.ndarray):
        x.grad += g
    else:
        x.grad = g


def imprecise(g, out, x, y):
    error = 1.01 if getattr(out, "dtype", None) == np.float32 else 1.0
    return g * y * error, g * x


def joined(change):
    """A fault that changes what np.concatenate takes or gives."""
    right = COMPOSITIONS[np.concatenate]

    def concatenate(arrays, *args, **options):
        return change(arrays, right(arrays, *args, **options))

    return lambda patch: patch.setitem(COMPOSITIONS, np.concatenate, concatenate)


def written_into(arrays, out):
    if isinstance(first := plain(arrays[0]), np.ndarray) and first.flags.writeable:
        first[...] = 0
    return out


DERIVATIVES = {"gradient", "second derivative"}
FAULTS = {
    "broadcasting undone by a mean": (
        lambda patch: patch.setattr(tensor, "unbroadcast", averaged),
        DERIVATIVES,
    ),
    "an operand that is used twice counts once": (
        with_rule(np.multiply, lambda g, out, x, y: (g * y, None if x is y else g * x)),
        DERIVATIVES,
    ),
    "a tie counts twice": (
        with_rule(np.maximum, lambda g, out, x, y: (g * (x >= y), g * (y >= x))),
        DERIVATIVES,
    ),
    "a repeated index counts once": (
        lambda patch: patch.setattr(kernels, "may_repeat", lambda index: False),
        DERIVATIVES,
    ),
    "g is changed in place, and shared": (
        with_rule(np.subtract, negated_in_place),
        DERIVATIVES,
    ),
    "a gradient is added in place": (
        lambda patch: patch.setattr(Tensor, "accumulate", added_in_place),
        {"memory"},
    ),
    "a gradient is a view of data": (
        lambda patch: patch.setattr(Tensor, "accumulate", lambda x, g: setattr(x, "grad", x.data)),
        {"memory"},
    ),
    "the forward pass changes its operand": (joined(written_into), {"value"}),
    "a value is another": (joined(lambda arrays, out: -out), {"value"}),
    "a value has another dtype": (
        joined(lambda arrays, out: out.astype(np.float16)),
        {"dtype"},
    ),
    "a second derivative is lost": (
        with_rule(np.cos, lambda g, out, x: -g * np.sin(plain(x))),
        {"second derivative"},
    ),
    "a gradient stays in the dtype of the partial": (
        lambda patch: patch.setattr(
            Tensor, "fit", lambda x, partial, node: tensor.unbroadcast(partial, x.shape)
        ),
        {"gradient's dtype"},
    ),
    "a rule is wrong in float32": (with_rule(np.multiply, imprecise), {"gradient in float32"}),
    "a rule of Values is wrong": (
        with_rule(math.tanh, lambda g, out, x: g * (1 - out)),
        DERIVATIVES,
    ),
}
RARE = {"a rule is wrong in float32"}  # found after a thousand programs


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=long) if name in RARE else name for name in FAULTS]
)
def test_a_fault_is_found_and_shrunk(fault, monkeypatch):
    put, kinds = FAULTS[fault]
    put(monkeypatch)
    # A rule may use the function that is at fault: the fault is then found by a derivative, too.
    programs = map(generator.program, range(2000))
    kind, failing = next((k, p) for p in programs if (k := shrinker.failure(p)) in kinds)
    short = shrinker.shrunk(failing)
    assert shrinker.failure(short) == kind
    assert len(short.operations) <= 3


def test_the_shortest_form_is_printed_as_lines_that_run(monkeypatch, capsys):
    with_rule(np.multiply, lambda g, out, x, y: (g * y, None if x is y else g * x))(monkeypatch)
    long = Program(
        (
            Input(np.array([[0.531, -1.2], [0.7, 2.0]]), "np.asfortranarray(a)"),
            Input(np.array([3, 1], np.uint8), tracked=False),
        ),
        (
            Operation("np.tanh(a)", (0,)),
            Operation("a * b", (2, 1)),
            Operation("np.multiply(a, b)", (3, 3)),
            Operation("np.sum(a, axis=0)", (4,)),
            Operation("a[::-1]", (0,)),
            Operation("a - b", (6, 5)),
        ),
    )
    text = printed(shrinker.shrunk(long))
    assert text.splitlines()[3:] == [
        "v0 = Tensor(np.array([[1.5, -0.8], [1.8, 1.0]], np.float64), requires_grad=True)",
        "v1 = np.multiply(v0, v0)",
        "(np.sum(np.sin(v1))).backward()",
        "print(v0.grad)",
    ]
    exec(text, {})
    x = np.array([[1.5, -0.8], [1.8, 1.0]])
    assert capsys.readouterr().out == f"{np.cos(x * x) * x}\n"  # half of what is right


def test_values_are_printed_as_lines_that_run(capsys):
    program = Program(
        (Input(0.5), Input(2, tracked=False)),
        (Operation("a * b", (0, 1)), Operation("tanh(a)", (2,))),
    )
    exec(printed(program), {})
    slope = np.cos(np.tanh(1.0)) * (1 - np.tanh(1.0) ** 2) * 2
    assert float(capsys.readouterr().out) == pytest.approx(slope)
