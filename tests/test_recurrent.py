"""RNN, GRU, LSTM and their cells: against PyTorch's numbers, and on their own."""

import json
import re

import numpy as np
import pytest
from references import check_module, stored

from tinygrad_edu import Tensor, gradcheck, manual_seed, no_grad, recurrences
from tinygrad_edu.nn import recurrent
from tinygrad_edu.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

LAYERS = [RNN, GRU, LSTM]
CELLS = [RNNCell, GRUCell, LSTMCell]


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def flat(result):
    """The output and the last states as one vector."""
    if isinstance(result, Tensor):
        return result.reshape(-1)
    return np.concatenate([flat(x) for x in result])


def run(module, x, *state):
    hx = state if len(state) > 1 else state[0] if state else None
    return flat(module(x, hx))


@pytest.mark.parametrize("case", stored("recurrent"))
def test_pytorch_gives_the_same_numbers(case):
    row = stored("recurrent")[case]
    module = getattr(recurrent, str(row["class"]))(**json.loads(str(row["options"])))
    check_module(row, module, run)


def test_every_class_has_a_reference():
    classes = {str(row["class"]) for row in stored("recurrent").values()}
    assert classes == {kind.__name__ for kind in LAYERS + CELLS}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_layers_pass_gradcheck(kind, options):
    layer = kind(2, 2, **options, rng=np.random.default_rng(1))
    gradcheck(lambda x: flat(layer(x)), normal(3, 2, 2), parameters=layer)


@pytest.mark.parametrize("kind", CELLS)
def test_cells_pass_gradcheck(kind):
    cell = kind(2, 3, rng=np.random.default_rng(1))
    gradcheck(lambda x: flat(cell(x)), normal(2, 2), parameters=cell)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_sequence_in_two_parts_is_the_same_sequence(kind):
    layer, x = kind(3, 4, num_layers=2), normal(5, 2, 3)
    whole, last = layer(x)
    first, state = layer(x[:2])
    second, state = layer(x[2:], state)
    np.testing.assert_allclose(np.concatenate([first, second]).data, whole.data)
    np.testing.assert_allclose(flat(state).data, flat(last).data)


@pytest.mark.parametrize("kind", LAYERS)
def test_an_output_depends_on_no_later_input(kind):
    layer, x = kind(3, 4), Tensor(normal(5, 2, 3), requires_grad=True)
    layer(x)[0][2].sum().backward()
    assert np.all(np.any(x.grad[:3], axis=(1, 2)))
    assert not np.any(x.grad[3:])


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_a_gate_that_is_shut_or_open_does_what_its_name_says(kind):
    cell, x, h = kind.cell(1, 1), np.zeros((1, 1)), np.full((1, 1), 0.3)
    for p in cell.parameters():
        p.data = np.zeros(p.shape)
    if kind is GRU:
        cell.bias_ih.data = np.array([0.0, 100.0, 100.0])  # z = 1: h stays, whatever n is
        assert cell(x, h).item() == 0.3
    else:
        cell.bias_ih.data = np.array([-100.0, 100.0, 100.0, 100.0])  # f = 1, i = 0: c stays
        assert cell(x, (h, h))[1].item() == pytest.approx(0.3)
        assert cell(x, (h, h))[0].item() == pytest.approx(np.tanh(0.3))


def test_an_lstm_remembers_over_500_steps_and_its_graph_is_not_recursive():
    layer = LSTM(1, 1)
    (cell,) = layer.cells[0]
    for p in cell.parameters():
        p.data = np.zeros(p.shape)
    cell.bias_ih.data = np.array([0.0, 100.0, 0.0, 0.0])
    c_0 = Tensor([[[0.5]]], requires_grad=True)
    _, (_, c_n) = layer(np.zeros((500, 1, 1)), (np.zeros((1, 1, 1)), c_0))
    c_n.sum().backward()
    np.testing.assert_allclose(c_0.grad, 1.0)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("options", [{}, {"bias": False}])
@pytest.mark.parametrize("shape", [(6, 2, 3), (6, 3)])
def test_a_layer_walks_its_cell_along_the_sequence(kind, options, shape):
    layer, x = kind(3, 4, **options), Tensor(normal(*shape), requires_grad=True)
    (cell,) = layer.cells[0]
    out, _ = layer(x)
    (out * normal(*out.shape)).sum().backward()
    expected = [p.grad for p in (x, *layer.parameters())]
    x.grad = layer.zero_grad()
    state, steps = None, []
    for t in range(6):
        state = cell(x[t], state)
        steps.append(state[0] if kind is LSTM else state)
    by_cell = np.stack(steps)
    np.testing.assert_allclose(out.data, by_cell.data, rtol=1e-12, atol=1e-14)
    (by_cell * normal(*out.shape)).sum().backward()
    for g, p in zip(expected, (x, *layer.parameters()), strict=True):
        np.testing.assert_allclose(g, p.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "h"), [((3, 2, 8), (2,)), ((3, 8), (2, 2)), ((0, 8), (2,)), ((3, 6), (2,))]
)
def test_a_sequence_and_a_state_that_do_not_fit_are_refused(a, h):
    message = re.escape(f"a has shape {a}, and the state {h}, {h}")
    with pytest.raises(ValueError, match=message):
        recurrences.lstm(Tensor(np.ones(a)), np.ones((2, 8)), np.ones(h), np.ones(h))


def test_the_gates_of_an_lstm_stand_behind_its_states():
    a, weight, c = normal(3, 2, 8), normal(2, 8), normal(2, 2)
    out = recurrences.lstm(a, weight, c, c)
    h, c, i, f, g, o = out[2]
    of_gates = np.split(a[2] + out[1, 0] @ weight, 4, axis=-1)
    sigmoids = [1 / (1 + np.exp(-of_gates[k])) for k in (0, 1, 3)]
    np.testing.assert_allclose([i, f, o, g], [*sigmoids, np.tanh(of_gates[2])], rtol=1e-12)
    np.testing.assert_allclose([c, h], [f * out[1, 1] + i * g, o * np.tanh(c)], rtol=1e-12)


def test_the_weight_of_an_lstm_may_be_integers():
    a, h = normal(3, 2, 8), np.zeros((2, 2))
    weight = np.arange(16).reshape(2, 8)
    given, floats = (recurrences.lstm(a, w, h, h) for w in (weight, weight.astype(float)))
    np.testing.assert_array_equal(given, floats)


def test_without_a_graph_the_output_of_an_lstm_does_not_keep_its_gates():
    layer, x = LSTM(3, 4), normal(5, 2, 3)
    with no_grad():
        out, _ = layer(x)
    assert out.data.base.nbytes == out.nbytes


@pytest.mark.parametrize("kind", LAYERS)
def test_float32_stays_float32(kind):
    layer = kind(3, 2, num_layers=2, bidirectional=True, dropout=0.5, dtype=np.float32)
    x = Tensor(normal(4, 2, 3).astype(np.float32), requires_grad=True)
    out = flat(layer(x))
    out.sum().backward()
    assert {y.dtype for y in (out, x.grad, *(p.grad for p in layer.parameters()))} == {
        np.dtype(np.float32)
    }


@pytest.mark.parametrize("kind", LAYERS)
def test_dropout_is_between_layers_and_in_training_only(kind):
    x = normal(4, 2, 3)
    layer = kind(3, 5, num_layers=2, dropout=0.5)
    first, second = flat(layer(x)).data, flat(layer(x)).data
    assert np.any(first != second)
    layer.eval()
    np.testing.assert_array_equal(flat(layer(x)).data, flat(layer(x)).data)
    single = kind(3, 5, dropout=0.5)
    np.testing.assert_array_equal(flat(single(x)).data, flat(single(x)).data)


@pytest.mark.parametrize("kind", LAYERS)
def test_everything_that_is_dropped_leaves_the_second_layer_with_its_biases(kind):
    layer = kind(3, 5, num_layers=2, dropout=1.0)
    np.testing.assert_array_equal(
        layer(normal(4, 2, 3))[0].data, layer(normal(4, 2, 3) + 1)[0].data
    )


@pytest.mark.parametrize("kind", LAYERS)
def test_parameters_start_uniform_and_have_names(kind):
    layer = kind(5, 100, bidirectional=True, rng=np.random.default_rng(0))
    gates = {RNN: 1, GRU: 3, LSTM: 4}[kind]
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert shapes == {
        f"cells.0.{direction}.{name}": shape
        for direction in (0, 1)
        for name, shape in [
            ("weight_ih", (5, 100 * gates)),
            ("weight_hh", (100, 100 * gates)),
            ("bias_ih", (100 * gates,)),
            ("bias_hh", (100 * gates,)),
        ]
    }
    weight = layer.cells[0][1].weight_hh
    assert weight.name == "weight_hh"
    assert np.abs(weight.data).max() <= 0.1
    assert np.var(weight.data) == pytest.approx(0.1**2 / 3, rel=0.05)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_same_seed_gives_the_same_layer_and_the_same_dropout(kind):
    def outputs():
        manual_seed(3)
        layer = kind(3, 4, num_layers=2, dropout=0.5)
        return flat(layer(normal(4, 2, 3))).data

    np.testing.assert_array_equal(outputs(), outputs())


@pytest.mark.parametrize("kind", LAYERS)
def test_lists_are_taken_and_no_graph_is_made_under_no_grad(kind):
    with no_grad():
        out, _ = kind(1, 2)([[1.0], [2.0]])
    assert out.shape == (2, 2)
    assert not out.requires_grad


def test_the_repr_shows_the_cells():
    assert repr(GRU(3, 4, batch_first=True)) == (
        "GRU(batch_first=True\n"
        "  (cells.0.0): GRUCell(input_size=3, hidden_size=4)\n"
        "  (dropout): Dropout(p=0.0)\n"
        ")"
    )
    assert repr(RNNCell(1, 2, bias=False)) == (
        "RNNCell(input_size=1, hidden_size=2, bias=False, nonlinearity='tanh')"
    )


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("shape", [(4, 2, 5), (3,), (1, 4, 2, 3), (0, 2, 3), (4, 0, 3), ()])
def test_a_layer_says_which_sequences_it_takes(kind, shape):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        kind(3, 4)(np.ones(shape))
    assert f"{kind.__name__} takes x of shape (T, N, 3), or (T, 3)" in str(error.value)
    assert f"has shape {shape}" in str(error.value)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("shape", [(2, 5), (4, 2, 3), ()])
def test_a_cell_says_which_inputs_it_takes(kind, shape):
    with pytest.raises(ValueError, match=rf"{kind.__name__} takes x of shape \(N, 3\), or \(3,\)"):
        kind(3, 4)(np.ones(shape))


BATCH, STATE, SHORT = np.ones((5, 2, 3)), np.ones((2, 2, 4)), np.ones((1, 2, 4))


@pytest.mark.parametrize(
    ("kind", "hx", "error", "message"),
    [
        (RNN, SHORT, ValueError, r"RNN: h in hx has shape \(1, 2, 4\).* needs \(2, 2, 4\)"),
        (GRU, np.ones((2, 4)), ValueError, r"GRU: h in hx has shape \(2, 4\)"),
        (LSTM, (STATE, SHORT), ValueError, r"LSTM: c in hx has shape \(1, 2, 4\)"),
        (LSTM, STATE, TypeError, r"LSTM takes hx as a pair \(h, c\)"),
        (LSTM, (STATE,), TypeError, r"LSTM takes hx as a pair \(h, c\)"),
        (GRU, (STATE, STATE), ValueError, r"GRU: h in hx has shape \(2, 2, 2, 4\)"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(kind, hx, error, message):
    with pytest.raises(error, match=message):
        kind(3, 4, num_layers=2)(BATCH, hx)


def test_a_cell_refuses_a_state_that_would_broadcast():
    with pytest.raises(ValueError, match=r"h in hx has shape \(1, 4\), and this x needs \(2, 4\)"):
        GRUCell(3, 4)(np.ones((2, 3)), np.ones((1, 4)))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 4), {}, "input_size and hidden_size of at least 1, not 0 and 4"),
        ((3, 0), {}, "input_size and hidden_size of at least 1, not 3 and 0"),
        ((3, 4, 0), {}, "num_layers of at least 1, not 0"),
        ((3, 4), {"dropout": 1.5}, "1.5"),
        ((3, 4), {"dropout": -0.1}, "-0.1"),
        ((3, 4), {"nonlinearity": "sin"}, "'tanh' or 'relu', not 'sin'"),
    ],
)
def test_options_out_of_range_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        RNN(*arguments, **options)
