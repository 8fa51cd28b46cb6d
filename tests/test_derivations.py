"""What a rule wrote down: right for every row of the table, and by no coincidence of the data."""

import functools
import gc
import time
import weakref
from contextlib import suppress

import numpy as np
import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes
from foreign import Foreign
from test_rules import at, name

from tinygrad_edu import Tensor, Value, checkpoint, functional, kernels, losses, viz
from tinygrad_edu.graph import RULES, apply, backward_of, behind
from tinygrad_edu.notation.derivations import forward_term, operands_of
from tinygrad_edu.notation.formula import function_name
from tinygrad_edu.notation.terms import Call, Ref, evaluated
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.tracing import with_at
from tinygrad_edu.viz.graph.description import backward_pass

ROWS = test_rules.TABLE + test_rules_linalg.TABLE + test_rules_shapes.TABLE
# Data at which something that is wrong may come to the right numbers
DATA = {"random": lambda x: x, "ones": np.ones_like, "zeros": np.zeros_like}


@pytest.fixture(autouse=True)
def _the_table_stays_as_it_was():
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


def told(root, grad):
    """Of each operand with a formula: what the formula comes to, and what flowed."""
    gradients, flows = backward_pass(root, grad)
    for node in behind(root):
        theirs = [flows.get((node, i)) for i in range(len(node.inputs))]
        for operand in operands_of(node, gradients.get(node), theirs, is_folded=False):
            flow, term = theirs[operand.position], operand.term
            if term is not None and flow is not None:
                yield term, number_of(term, node, gradients[node], flow), flow


def number_of(term, node, g, flow):
    found = np.asarray(evaluated(term, lambda x: g if x.is_gradient else node.seen[x.node + 1]))
    shape = np.shape(flow)
    if found.size == np.size(flow):
        return found.reshape(shape)
    found = np.broadcast_to(found, np.broadcast_shapes(found.shape, shape))
    return unbroadcast(found.astype(float), shape)


# What a user may have typed, or knows by its name
KNOWN = {*dir(np), *dir(np.linalg), *dir(Tensor), *dir(functional), *dir(losses)}
KNOWN |= {"add.at", "erf", "fold", "gru", "index_update", "linear", "logsumexp", "lstm", "rnn"}
KNOWN |= {"masked_softmax", "root_mean_square", "unfold"}
# In second derivatives of factorizations, which NumPy has no function for
KNOWN |= {"leading", "with_eigenvalues", "with_singular_values"}


def functions_in(term):
    match term:
        case Call(function=function, operands=(ufunc, *rest)) if function is with_at:
            return {f"{ufunc.__name__}.at"} | functions_in(rest)
        case Call(function=function, operands=operands):
            return {function_name(function)} - {"item"} | functions_in(operands)
        case tuple() | list():
            return set().union(*map(functions_in, term))
    return set()


def forward_terms(root):
    """Of each operation its formula, which comes to its result."""
    for node in behind(root):
        if node.rule is not None:
            term = forward_term(node)
            found = evaluated(term, lambda x, node=node: node.seen[x.node + 1])
            np.testing.assert_allclose(found, node.data, 1e-9, 1e-12)
            yield term


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_formula_comes_to_what_flows_in_names_that_a_user_knows(row):
    for data, change in DATA.items():
        with np.errstate(all="ignore"), suppress(np.linalg.LinAlgError):  # ones are singular
            y = row.f(*(Tensor(change(x), requires_grad=True) for x in at(row)))
            y = y[0] if isinstance(y, list | tuple) else y
            grad = np.random.default_rng(0).standard_normal(y.shape)
            for term, ours, theirs in told(y, grad):
                np.testing.assert_allclose(ours, theirs, 1e-9, 1e-12, err_msg=f"{data}: {term}")
                assert functions_in(term) <= KNOWN
            if data == "random":
                assert functions_in(list(forward_terms(y))) <= KNOWN


x, A, B = (
    Tensor(np.ones(shape), requires_grad=True, name=name)
    for shape, name in [((3,), "x"), ((2, 3), "A"), ((3, 2), "B")]
)


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (x.sum, "sum(x)"),
        (lambda: np.sum(x), "sum(x)"),
        (lambda: A.sum(axis=0), "sum(A, axis=0)"),
        (lambda: A.max(axis=1, keepdims=True), "max(A, axis=1, keepdims=True)"),
        (x.min, "min(x)"),
        (lambda: np.concatenate([A, A]), "concatenate([A, A])"),
        (lambda: np.stack([x, x], axis=1), "stack([x, x], axis=1)"),
        (lambda: np.einsum("ij,jk->ik", A, B), "einsum('ij,jk->ik', A, B)"),
        (lambda: np.vdot(A, A), "vdot(A, A)"),
        (lambda: A.mT, "A.mT"),
        (lambda: np.swapaxes(A, 1, 1), "swapaxes(A, 1, 1)"),
        (lambda: x.astype(np.float32), "astype(x, float32)"),
        (lambda: kernels.log1pexp(x), "log(1 + exp(x))"),
        (lambda: kernels.soft_nll(x, np.ones(3)), "-sum(c1 * x)"),
        (lambda: kernels.framed(x, ((1, 2),), 0.0), "pad(x, ((1, 2),), constant_values=0.0)"),
        (lambda: kernels.row_sums(A), "sum(A, axis=-1, keepdims=True)"),
    ],
)
def test_an_operation_is_written_as_a_user_writes_it(f, text):
    made = viz.forward_steps(np.sum(f()))[0]
    assert made.symbols.text == text


def test_an_operation_has_the_name_that_its_author_used():
    for f in (np.conjugate, np.degrees, np.rad2deg, np.radians, np.absolute, np.tanh):
        assert viz.describe(f(x).sum()).nodes[1].operation == f.__name__


def symbols(root, grad=None):
    if grad is None and isinstance(root, Tensor):
        grad = np.ones(root.shape)
    steps = viz.backward_steps(root, grad)
    return [each.symbols.text for step in steps for each in step.contributions]


def leaf(*shape, name="x"):
    return Tensor(np.random.default_rng(0).standard_normal(shape), requires_grad=True, name=name)


def test_axes_that_are_kept_are_told_where_they_matter():
    x = leaf(1, 3, 3)
    assert "mean(x, axis=2, keepdims=True)" in symbols(x.var(axis=2))[0]
    assert "mean(x, axis=1)" in symbols(x.var(axis=1))[0]


@pytest.mark.parametrize(
    ("f", "shape", "text"),
    [
        (lambda x: np.transpose(x, (0, 1)), (2, 2), "dL/dL"),
        (lambda x: np.swapaxes(x, 0, 0), (2, 2), "dL/dL"),
        (np.transpose, (2, 2), "(dL/dL).T"),
        (np.transpose, (2, 2, 2), "(dL/dL).T"),
        (lambda x: np.swapaxes(x, 1, 2), (2, 2, 2), "(dL/dL).mT"),
        (lambda x: np.transpose(x, (2, 0, 1)), (2, 2, 2), "transpose(dL/dL, (1, 2, 0))"),
        (lambda x: np.moveaxis(x, 0, 2), (2, 2, 2), "moveaxis(dL/dL, 2, 0)"),
        (np.flip, (2, 2), "flip(dL/dL, None)"),
        (lambda x: x.reshape(4), (2, 2), "reshape(dL/dL, (2, 2))"),
        (lambda x: np.pad(x, [1, 2]), (2, 2), "(dL/dL)[1:3, 1:3]"),
        (lambda x: x[[0, 1]], (2, 2), "add.at(zeros_like(x), [0, 1], dL/dL)"),
        (lambda x: x.sum(axis=1), (2, 2), "(dL/dL)[:, None]"),
    ],
)
@pytest.mark.parametrize("uniform", [False, True])
def test_the_order_of_axes_is_told_whatever_the_data_are(f, shape, text, uniform):
    y = f(leaf(*shape))
    grad = np.ones(y.shape) if uniform else np.random.default_rng(1).standard_normal(y.shape)
    assert symbols(y, grad) == [text]


def test_products_of_narrow_matrices_are_transposed_alike():
    x, y = leaf(3, 1), leaf(1, 3, name="y")
    assert symbols(x @ y) == ["dL/dL @ y.T", "x.T @ dL/dL"]
    assert symbols(y @ x) == ["dL/dL @ x.T", "y.T @ dL/dL"]


def test_an_outer_product_of_zeros_is_no_inner_product():
    u, a = Tensor(np.zeros(3), requires_grad=True, name="u"), leaf(3, 3, name="A")
    assert symbols(u @ a) == ["dL/dL @ A.T", "outer(u, dL/dL)"]


def test_a_long_recurrence_is_described_at_once():
    x = leaf(2, 3)
    start = time.process_time()
    assert symbols(kernels.erf(x))[0].startswith("dL/dL * ")

    def recurrence(x):
        a, b = x, x
        for _ in range(2000):
            a, b = a - b, a
        return a

    @backward_of(recurrence)
    def recurrence_backward(g, out, x):
        return recurrence(g)

    (line,) = viz.backward_steps(apply(recurrence, Value(1.0, name="x")))[0].contributions
    assert line.symbols.text == "dL/dL * dL/dx"
    assert time.process_time() - start < 2


def test_infinity_in_a_rule_is_written():
    def cut(x):
        return np.where(x > 0, x, -np.inf)

    @backward_of(cut)
    def cut_backward(g, out, x):
        return np.where(x > 0, g, -np.inf)

    assert symbols(apply(cut, leaf(2, 3))) == ["where(x > 0, dL/dL, -inf)"]


def test_a_checkpoint_is_run_again_by_backward_alone():
    runs = []

    def f(x):
        runs.append(x.data)
        return x * np.sin(x)

    y = checkpoint(f, Tensor(0.5, requires_grad=True, name="x"))
    runs.clear()
    (line,) = viz.backward_steps(y)[0].contributions
    assert len(runs) == 1
    assert type(runs[0]) is np.ndarray
    assert str(line) == "dL/dx += dL/dL * dL/dx = 1.0 * 0.9182 = 0.9182"


def test_random_numbers_are_not_told_as_a_formula():
    rng = np.random.default_rng(0)

    def noisy(x):
        return x * rng.random()

    @backward_of(noisy)
    def noisy_backward(g, out, x):
        return g * rng.random()

    y = apply(noisy, Value(1.0, name="x"))
    assert str(viz.forward_steps(y)[0]).startswith("L = noisy(x) = ")
    assert symbols(y) == ["dL/dL * dL/dx"]


def test_one_number_has_no_shape_in_a_formula():
    x, y = leaf(), leaf(1, name="y")
    assert symbols(x + y) == ["dL/dL", "dL/dL"]
    assert symbols(y.reshape(()) * 2.0) == ["dL/dL * 2.0", "dL/dz1"]


def doubled(rule):
    """2 x, with a rule of somebody's own."""

    def double(x):
        return 2 * x

    backward_of(double)(rule)
    return apply(double, leaf(3))


def test_a_rule_may_compute_in_place():
    def in_place(g, out, x):
        twice = g * 1
        twice *= 2
        return twice

    def into(g, out, x):
        twice = np.empty_like(x)
        twice[...] = 2 * g
        return twice

    def by_out(g, out, x):
        return np.multiply(2, g, out=np.empty_like(x))

    assert symbols(doubled(in_place)) == ["dL/dL * 2"]
    assert symbols(doubled(into)) == ["2 * dL/dL"]
    assert symbols(doubled(by_out)) == ["2 * dL/dL"]


def test_a_partial_that_cannot_be_traced_spoils_no_other():
    def product(x, y):
        return x * y

    @backward_of(product)
    def product_backward(g, out, x, y):
        return g * y, lambda: np.asarray(g) * x

    assert symbols(apply(product, leaf(3), leaf(3, name="y"))) == ["dL/dL * y", "dL/dL * dL/dy"]


def test_arrays_of_another_kind_are_described_by_the_chain_rule():
    x = Tensor(Foreign(np.ones((2, 3))), requires_grad=True, name="x")
    assert symbols(np.tanh(x).sum()) == ["dL/dL * dL/dz1", "dL/dz1 * dz1/dx"]
    assert viz.describe(x.sum()).nodes[0].values.rows == ((1.0,) * 3,) * 2


def test_an_index_that_is_an_array_is_named():
    x = leaf(4, 3)
    assert str(viz.forward_steps(x[x.data > 0].sum())[0]).startswith("z1 = x[c1] = ")
    latex = str(viz.worked_solution(x[np.array([0, 2])].sum()))
    assert "{x}_{c_{1}}" in latex


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: x.max(), "dL/dL * (x == L)"),
        (lambda x: x.max(axis=1), "(dL/dL)[:, None] * (x == L[:, None])"),
        (lambda x: 2**x, "dL/dL * L * log(2)"),
        (lambda x: x ** np.int64(3), "dL/dL * 3 * x**2"),
        (lambda x: np.stack([x, x]) @ np.ones(3), "(dL/dL)[:, :, None] * c1"),
    ],
)
def test_what_a_newcomer_would_write(f, text):
    assert text in symbols(f(leaf(4, 3)))


def test_ties_are_counted():
    x = Tensor([1.0, 2.0, 2.0], requires_grad=True, name="x")
    assert symbols(x.max()) == ["dL/dL / 2 * (x == L)"]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("shapes", [[(1, 2, 3), (3,)], [(3,), (1, 3, 2)], [(1, 3), (3, 1)]])
def test_a_product_keeps_the_axes_that_are_its_own(shapes, data):
    x, y = (Tensor(DATA[data](leaf(*shape).data), requires_grad=True) for shape in shapes)
    for _, ours, theirs in told(x @ y, np.ones((x @ y).shape)):
        np.testing.assert_allclose(ours, theirs)


def test_a_function_of_ones_own_is_not_run_again_for_a_picture(monkeypatch):
    calls = []

    def noisy(x):
        calls.append(x)
        return x + len(calls)

    monkeypatch.setitem(RULES, noisy, lambda g, out, x: g)
    y = apply(noisy, Tensor([1.0, 2.0], requires_grad=True, name="x")).sum()
    made = [node.made for node in viz.describe(y).nodes if node.operation]
    assert len(calls) == 1
    assert made[0] == Call(noisy, (Ref(0),))


def test_a_rule_without_a_name_is_described():
    def halved(x):
        return x / 2

    rule = functools.partial(lambda factor, g, out, x: factor * g, 0.5)
    RULES[halved] = rule
    (_, node) = viz.describe(apply(halved, leaf())).nodes
    assert node.rule == "partial"


def test_a_description_keeps_no_checkpoint_alive():
    x = leaf(3)
    out = checkpoint(np.tanh, x).sum()
    rule = weakref.ref(out.inputs[0].rule)
    viz.describe(out)
    del out
    gc.collect()
    assert rule() is None
