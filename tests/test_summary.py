"""nn.summary: its columns are right, and the model is as it was."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, kernels, nn, no_grad
from tinygrad_edu.rng import default_rng


def rows(model, *args):
    return {
        row.path: (row.kind, row.output_shape, row.parameters, row.kept)
        for row in nn.summary(model, *args).rows
    }


def test_every_module_has_its_row():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Sequential(nn.Linear(5, 2, bias=False)))
    assert rows(model, (4, 3)) == {
        "": ("Sequential", (4, 2), 0, 0),
        "layers.0": ("Linear", (4, 5), 20, 8 * (4 * 3 + 4 * 5)),  # its input and its output
        "layers.1": ("Tanh", (4, 5), 0, 8 * 4 * 5),
        "layers.2": ("Sequential", (4, 2), 0, 0),
        "layers.2.layers.0": ("Linear", (4, 2), 10, 8 * 4 * 2),
    }


def test_it_prints_as_a_table_with_totals():
    model = nn.Sequential(nn.Linear(1000, 5), nn.Tanh())
    model[0].bias.requires_grad = False
    table = nn.summary(model, (2, 1000))
    assert (table.parameters, table.trainable) == (5005, 5000)
    lines = repr(table).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert lines[3].split() == ["layers.0:", "Linear", "(2,", "5)", "5,005", "16,080", "B"]
    assert lines[-2].split() == ["total", "5,005", "16,160", "B"]
    assert lines[-1] == "5 of the parameters are not trained"
    assert str(table) == repr(table)


class Odd(nn.Module):
    """Everything that a count of bytes can stumble over."""

    def __init__(self):
        self.scale = Tensor(np.ones(3), requires_grad=True)
        self.unused = nn.Linear(3, 1)
        self.shared = nn.Tanh()
        self.again = [self.shared]

    def __call__(self, x):
        h = self.shared(x * self.scale)  # x is kept, scale is a parameter
        self.shared(h)  # leads nowhere, so nothing is kept
        flat = self.again[0](h).reshape(-1)  # a view of what is kept anyway
        return {"flat": flat, "twice": (kernels.relu(flat), 1.0, None)}


def test_kept_is_what_the_graph_holds():
    assert rows(Odd(), (4, 3)) == {
        "": (
            "Odd",
            {"flat": (12,), "twice": ((12,), (), None)},
            3,
            8 * 12 * 3,  # x, x * scale, relu
        ),
        "unused": ("Linear", None, 4, 0),
        "shared": ("Tanh", (4, 3), 0, 8 * 12 * 2),
    }
    assert "not called" in str(nn.summary(Odd(), (4, 3)))


def test_the_input_has_the_dtype_of_the_parameters():
    model = nn.Sequential(nn.Linear(3, 5, dtype=np.float32))
    assert nn.summary(model, (4, 3)).kept == 4 * (4 * 3 + 4 * 5)

    class Table(nn.Module):
        def __init__(self):
            self.weight = Tensor(np.ones((7, 2)), requires_grad=True)

        def __call__(self, x):
            return self.weight[x]

    assert nn.summary(Table(), (4, 3), int).rows[0].output_shape == (4, 3, 2)


def test_a_network_of_values_has_a_summary_too():
    assert rows(nn.MLP(2, [3, 1]), (2,))["layers.0"][:2] == ("Layer", [(), (), ()])
    assert nn.summary(nn.MLP(2, [3, 1]), (2,)).parameters == 13


class Restless(nn.Module):
    """Changes whenever it is called."""

    def __init__(self):
        self.calls = np.array(0)
        self.rng = np.random.default_rng(0)

    def __call__(self, x):
        self.calls += 1
        return x * self.rng.random() * default_rng().random()


@pytest.mark.parametrize("shape", [(4, 3), (4, 2)])
def test_nothing_is_changed(shape):
    model = nn.Sequential(Restless(), nn.Linear(3, 1)).eval()
    state, package = model[0].rng.bit_generator.state, default_rng().bit_generator.state
    with no_grad():
        try:
            nn.summary(model, shape)
        except ValueError:
            assert shape == (4, 2)  # does not fit
        assert not model[1](np.ones((1, 3))).requires_grad
    assert model[0].calls == 0
    assert type(model[1]) is nn.Linear
    assert not model[1].training
    assert model[0].rng.bit_generator.state == state
    assert default_rng().bit_generator.state == package
    assert model(np.ones((1, 3))).requires_grad
