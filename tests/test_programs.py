"""The text of a program, its passes, what it costs, and the file that it is kept in."""

import gc
import operator
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinygrad_edu import (
    CompileError,
    Tensor,
    Value,
    compile,
    losses,
    manual_seed,
    nn,
    no_grad,
    optim,
)
from tinygrad_edu.compiler import passes
from tinygrad_edu.functional import relu
from tinygrad_edu.rng import default_rng

X = np.random.default_rng(0).standard_normal((6, 8))
Y = np.random.default_rng(1).integers(0, 4, 6)


def network(dropout=0.0):
    manual_seed(0)
    layers = nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 4)
    return nn.Sequential(*layers)


def loss_of(model):
    return lambda x, y: losses.cross_entropy(model(x), y)


def compiled(f, *args, **options):
    step = compile(f, **options)
    step(*args)
    return step


def test_a_program_of_a_neuron_reads_as_the_chain_rule():
    w, b = Value(2.0, name="w"), Value(-0.5, name="b")
    assert compiled(lambda x: (w * x + b).tanh(), 0.3).source == (
        "def step(x, b, w):\n"
        "    # forward\n"
        "    h1 = w * x\n"
        "    h2 = h1 + b\n"
        "    h3 = math.tanh(h2)\n"
        "\n"
        "    # backward\n"
        "    g1 = h3 * h3  # tanh_backward\n"
        "    d_h2 = 1 - g1\n"
        "    g2 = d_h2 * x  # multiply_backward\n"
        "\n"
        "    return h3, d_h2, g2\n"
    )


def programs():
    mlp = nn.MLP(2, [3, 1], rng=np.random.default_rng(0))
    model = network(0.2)
    yield compiled(lambda a, b: (mlp([a, b]) - 1.0) ** 2, 0.5, 0.2)
    yield compiled(loss_of(model), X, Y, optimizer=optim.Adam(model.parameters()))
    yield compiled(loss_of(model), X, Y, optimize=())
    attention = nn.TransformerEncoderLayer(8, 2, 16, rng=np.random.default_rng(0))
    yield compiled(lambda x: (attention(x) ** 2).mean(), X[None])


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed")
def test_a_formatter_leaves_a_program_as_it_is(tmp_path):
    for i, step in enumerate(programs()):
        path = tmp_path / f"step_{i}.py"
        path.write_text(step.source)
        command = ["ruff", "format", "--isolated", "--diff", str(path)]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def test_sections_modules_and_rules_are_told():
    model = network()
    step = compiled(loss_of(model), X, Y, optimizer=optim.SGD(model.parameters(), 0.1))
    lines = [line.strip() for line in step.source.splitlines()]
    sections = [lines.index(name) for name in ("# forward", "# backward", "# update")]
    assert sections == sorted(sections)
    assert any(line.startswith("# layers.4: Linear (test_programs.py:") for line in lines)
    assert any(line.endswith("# cross_entropy_backward") for line in lines)
    assert any(line.startswith("d_h") for line in lines)


@pytest.mark.parametrize("left_out", passes.ALL, ids=lambda x: x.__name__)
def test_each_pass_can_be_left_out(left_out):
    some = [x for x in passes.ALL if x is not left_out]
    found = []
    for optimize in (passes.ALL, some, [left_out], ()):
        model = network(0.2)
        step = compile(loss_of(model), optim.SGD(model.parameters(), 0.1), optimize=optimize)
        found.append([step(X, Y).item() for _ in range(3)])
    assert found[0] == found[1] == found[2] == found[3]


X1 = Tensor(np.arange(1.0, 4.0))


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: (x * 1.0) / 1.0 + 2.0, 1),
        (lambda x: np.negative(-x) + 2.0, 1),
        (lambda x: np.reshape(x, (3,)).astype(float) * 2.0, 1),
        (lambda x: np.exp(x) + np.exp(x), 2),
        (lambda x: (np.exp(x) * 0.5, np.cos(x))[0], 2),
        (lambda x: x + 0.0, 1),  # -0 + 0 is 0
    ],
)
def test_lines_that_nobody_needs_are_gone(f, left):
    with no_grad():
        step = compiled(f, X1)
        lines = step.latest.program.lines
        assert len(lines) == left
        np.testing.assert_array_equal(step(-X1).data, f(-X1).data)


def test_relu_keeps_one_array():
    w = Tensor(np.array([[1.0, -1.0, np.nan, 0.0, -0.0]]), requires_grad=True)
    step = compile(lambda x: np.sum(relu(x * w) ** 2))
    x = np.array([[2.0], [-3.0], [0.0], [np.inf], [np.nan]])
    with np.errstate(invalid="ignore"):
        for factor in (1.0, -1.0):
            w.grad = None
            expected = v_grad(x * factor, w)
            step(x * factor)
            np.testing.assert_array_equal(w.grad, expected)
    maximum = next(x for x in step.latest.program.lines if x.function is np.maximum)
    memory = step.latest.program.memory
    assert memory[maximum] == memory[maximum.inputs[0]]


def v_grad(x, w):
    v = Tensor(w.data, requires_grad=True)
    np.sum(relu(x * v) ** 2).backward()
    return v.grad


def test_what_leaves_a_program_is_never_its_memory():
    with no_grad():
        step = compiled(lambda x: (np.exp(x), np.exp(x) * 2.0, x.reshape(3, 1)), X1)
        first = step(X1)
        kept = [x.data.copy() for x in first]
        step(Tensor(np.zeros(3)))
        for x, y in zip(first, kept, strict=True):
            np.testing.assert_array_equal(x.data, y)
        a, b, _ = step(X1)
        assert not np.shares_memory(a.data, b.data)


def test_two_gradients_never_share_memory():
    x, y = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    step = compile(lambda: np.sum(x + y))
    step()
    assert not np.shares_memory(x.grad, y.grad)
    step()
    np.testing.assert_array_equal(x.grad, 2 * np.ones(3))


def test_memory_is_used_again():
    model = nn.Sequential(*(layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.Tanh())))
    step = compiled(lambda x: (model(x) ** 2).mean(), np.ones((32, 64)))
    report = step.report(np.ones((32, 64)), repeats=2)
    assert report.memory < 0.7 * report.unshared
    assert report.lines < report.recorded
    assert len(report.times) == report.lines
    slowest, line = report.times[0]
    assert slowest > 0
    assert line in str(report)


def test_a_report_changes_nothing():
    model = network(0.2)
    step = compiled(loss_of(model), X, Y, optimizer=optim.Adam(model.parameters()))
    step(X, Y)  # now the optimizer has a state
    step(X, Y)
    generator = default_rng().bit_generator.state
    before = model.state_dict()
    step.report(X, Y)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert default_rng().bit_generator.state == generator
    with pytest.raises(CompileError, match="no program for these arguments"):
        step.report(X[:2], Y[:2])


ALONE = """
import sys
import numpy as np
from kept import held, step
arrays = np.load("arguments.npz")
result, *gradients = step(arrays["x"], arrays["y"], **held)
assert result == arrays["result"]
for i, g in enumerate(gradients):
    assert g.tobytes() == arrays[f"g{i}"].tobytes()
assert not [name for name in sys.modules if name.startswith("tinygrad")]
"""


def test_a_saved_program_stands_alone(tmp_path):
    model = network()
    step = compile(loss_of(model))
    result = step(X, Y).data
    gradients = {f"g{i}": x for i, x in enumerate(by_line(step, model))}
    np.savez(tmp_path / "arguments.npz", x=X, y=Y, result=result, **gradients)
    step.save(tmp_path / "kept.py")
    (tmp_path / "alone.py").write_text(ALONE)
    path = tmp_path / "alone.py"
    subprocess.run(
        [sys.executable, "-P", str(path)],
        cwd=tmp_path,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )


def by_line(step, model):
    """The gradients in the order in which the program returns them."""
    owners = [effect.target.node for effect in step.latest.program.effects]
    assert {id(x) for x in owners} == {id(p) for p in model.parameters()}
    return [p.grad for p in owners]


def test_what_cannot_be_saved_is_refused(tmp_path):
    step = compile(loss_of(network(0.2)))
    with pytest.raises(CompileError, match="call the function once"):
        step.save(tmp_path / "step.py")
    step(X, Y)
    with pytest.raises(CompileError, match="draws from the generator"):
        step.save(tmp_path / "step.py")
    assert not (tmp_path / "step.py").exists()


def test_products_of_matrices_are_the_same_bits_by_dot():
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for n, k, m in rng.integers(2, 40, (200, 3)):
            a, b = (
                rng.standard_normal((n, k)).astype(dtype),
                rng.standard_normal((k, m)).astype(dtype),
            )
            for x in (a, np.asfortranarray(a)):
                for y in (b, np.asfortranarray(b)):
                    np.testing.assert_array_equal(np.dot(x, y), operator.matmul(x, y))


def test_two_threads_run_one_program_one_after_the_other():
    with no_grad():
        step = compile(lambda x: (np.tanh(x) * 2.0 + np.exp(x)).sum())
        inputs = [np.full((200, 200), i / 8) for i in range(8)]
        expected = [step(x) for x in inputs]

    def run(x):
        with no_grad():
            return [step(x) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        for found, right in zip(pool.map(run, inputs), expected, strict=True):
            assert set(found) == {right}


def test_a_program_keeps_the_shapes_of_a_recording_and_not_its_numbers():
    x = np.ones((300, 300))
    gc.collect()
    tracemalloc.start()
    try:
        with no_grad():
            step = compile(lambda x: np.tanh(np.exp(x[None]) * np.arange(5.0)[:, None, None]).sum())
            step(x)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with no_grad():
        memory = step.report(x, repeats=1).memory
    assert memory <= 6 * x.nbytes
    assert kept < memory + x.nbytes + 500_000


@pytest.mark.parametrize("view", [lambda w: w, lambda w: w[:], lambda w: w.reshape(4, 4)[:4]])
def test_an_argument_may_lie_in_the_memory_of_a_parameter(view):
    def make():
        w, b = (Tensor(np.arange(16.0).reshape(4, 4) / 9, requires_grad=True) for _ in range(2))
        return w, b, lambda x: losses.mse_loss(np.tanh(x @ w) @ (b * x), x)

    w, b, loss = make()
    v, c, same = make()
    step = compile(loss, optim.SGD([b, w], 0.1, weight_decay=0.1))
    usual = optim.SGD([c, v], 0.1, weight_decay=0.1)
    for x, y in [(np.ones((4, 4)), np.ones((4, 4)))] + 3 * [(view(w.data), view(v.data))]:
        step(x)
        usual.zero_grad()
        same(y).backward()
        usual.step()
        np.testing.assert_array_equal(w.data, v.data)
        np.testing.assert_array_equal(b.data, c.data)


def test_two_parameters_in_one_memory_are_refused():
    w, b = (Tensor(np.arange(4.0) + i, requires_grad=True) for i in range(2))
    step = compile(lambda x: ((w * x + b * b) ** 2).sum(), optim.SGD([w, b], 0.01))
    x = np.arange(4.0)
    step(x)
    b.data = w.data[::-1]
    before = w.data.copy()
    with pytest.raises(CompileError, match="another array in the same memory is used later"):
        step(x)
    np.testing.assert_array_equal(w.data, before)


def test_a_list_of_one_array_is_not_that_array():
    step = compile(lambda x: len(x) * np.sum(x[0]))
    x = np.arange(6.0).reshape(2, 3)
    assert (step(x), step([x]), step((x,)), step({0: x})) == (6.0, 15.0, 15.0, 15.0)
    assert step(x) == 6.0


def test_a_branch_after_a_draw_gives_the_draw_back():
    def scaled(x, rng):
        noise = rng.normal(size=3) + default_rng().normal()
        return x * noise if (x + noise > 0).all() else noise - x

    def draws(f):
        found = []
        for seed in range(12):
            manual_seed(seed)  # another generator each time
            rng = np.random.default_rng(seed)
            found.append((f(np.arange(3.0), rng).tolist(), rng.normal(), default_rng().normal()))
        return found

    assert draws(compile(scaled)) == draws(scaled)


@pytest.mark.parametrize("f", [np.add, np.true_divide, np.multiply, operator.truediv])
def test_a_function_of_numpy_gives_numbers_of_numpy_to_floats_too(f):
    step = compile(lambda x: f(x, 3.0))
    assert type(step(2.0)) is type(f(2.0, 3.0))
    assert step(5.0) == f(5.0, 3.0)


def test_large_arrays_are_compared_with_zeros_of_the_same_layout():
    x = np.random.default_rng(0).standard_normal((50, 60)).T
    x[0, :4] = np.nan, -0.0, np.inf, -np.inf
    step = compile(lambda x: relu(x * 2.0))
    with np.errstate(invalid="ignore"):
        expected = relu(x * 2.0)
        for _ in range(2):
            found = step(x)
            assert found.tobytes("A") == expected.tobytes("A")
            assert found.strides == expected.strides
    (line,) = (x for x in step.latest.program.lines if x.function is np.maximum)
    zeros = line.inputs[1]
    assert zeros.strides == line.data.strides
    assert not zeros.any()
    below = compile(lambda x: np.maximum(x * 2.0, -0.0))
    below(x)  # the bits are those of eager, or it is refused
    few = compile(lambda x: relu(x * 2.0))
    few(x[:3, :4])
    assert "np.maximum(h1, 0.0" in few.source
