"""Dropout, Embedding, and the modules made of modules."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, gradcheck, manual_seed, no_grad
from tinygrad_edu.functional.activation import dropout
from tinygrad_edu.functional.indices import embedding
from tinygrad_edu.nn.activation import ReLU, Tanh
from tinygrad_edu.nn.container import Flatten, Identity, ModuleList, Residual, Sequential
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.embedding import Embedding
from tinygrad_edu.nn.linear import Linear


def rng():
    return np.random.default_rng(0)


def test_dropout_keeps_the_mean_and_drops_a_share_of_p():
    x = np.full(100_000, 3.0)
    out = Dropout(0.2, rng())(x)
    assert set(np.unique(out)) == {0.0, 3 / 0.8}
    assert np.mean(out == 0) == pytest.approx(0.2, abs=0.01)
    assert out.mean() == pytest.approx(3, abs=0.03)


def test_the_gradient_goes_where_x_went():
    x = Tensor(np.arange(1.0, 101.0), requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert 0 < np.count_nonzero(x.grad) < 100
    np.testing.assert_allclose(x.grad, out.data / x.data, rtol=1e-15)


def test_dropout_in_use_is_the_identity():
    x = Tensor(np.ones(5))
    layer = Dropout(0.5)
    assert layer.eval()(x) is x
    assert dropout(x, 0.5, training=False) is x
    assert layer.train()(x) is not x


@pytest.mark.parametrize("p", [0, 1])
def test_dropout_of_nothing_and_of_everything(p):
    x = Tensor([1.0, 3.0, -2.0], requires_grad=True)
    out = Dropout(p)(x)
    out.sum().backward()
    np.testing.assert_array_equal(out.data, [0, 0, 0] if p else x.data)
    np.testing.assert_array_equal(x.grad, [1 - p] * 3)


def test_dropout_is_drawn_anew_and_again_from_the_same_seed():
    x = np.ones(50)
    manual_seed(1)
    first, second = Dropout()(x), Dropout()(x)
    assert np.any(first != second)
    manual_seed(1)
    layer = Dropout()
    np.testing.assert_array_equal([layer(x), layer(x)], [first, second])
    np.testing.assert_array_equal(Dropout(rng=rng())(x), Dropout(rng=rng())(x))


def test_dropout_keeps_shape_and_dtype():
    for shape in [(), (0, 2), (2, 3)]:
        x = Tensor(np.ones(shape, np.float32), requires_grad=True)
        out = Dropout()(x)
        out.sum().backward()
        assert out.shape == shape
        assert out.dtype == x.grad.dtype == np.float32


def test_dropout_is_right_to_second_order():
    gradcheck(lambda x: dropout(x**3, 0.4, rng=rng()), np.array([[1.0, -2.0], [0.5, 3.0]]), order=2)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match=f"from 0 to 1, and is {p}"):
        Dropout(p)


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng=np\.random\.default_rng\(seed\)"):
        Dropout(0.5, 0)


def test_embedding_looks_rows_up_and_adds_up_their_gradients():
    layer = Embedding(4, 3)
    index = np.array([[1, 3], [1, 0]])
    out = layer(index)
    np.testing.assert_array_equal(out.data, layer.weight.data[index])
    out.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, np.repeat([[1], [2], [0], [1]], 3, axis=1))
    for same in (Tensor(index), index.tolist(), index.astype(np.uint8)):
        np.testing.assert_array_equal(layer(same).data, out.data)
    assert layer(2).shape == (3,)
    assert layer(np.empty((0, 5), int)).shape == (0, 5, 3)


def test_embedding_starts_standard_normal():
    layer = Embedding(100, 200, rng=rng())
    np.testing.assert_array_equal(layer.weight.data, Embedding(100, 200, rng=rng()).weight.data)
    assert layer.weight.data.mean() == pytest.approx(0, abs=0.02)
    assert layer.weight.data.std() == pytest.approx(1, abs=0.02)
    assert layer.weight.name == "weight"
    assert Embedding(2, 3, dtype=np.float32)([1]).dtype == np.float32


@pytest.mark.parametrize("padding_idx", [1, -3])
def test_padding_is_zero_and_stays_so(padding_idx):
    layer = Embedding(4, 3, padding_idx)
    out = layer([0, 1, 1])
    np.testing.assert_array_equal(out.data[1:], np.zeros((2, 3)))
    out.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [1, 0, 0, 0])
    assert repr(layer) == "Embedding(num_embeddings=4, embedding_dim=3, padding_idx=1)"


def test_a_padding_row_that_is_not_zero_is_looked_up_too():
    weight = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(embedding([2, 0], weight, padding_idx=2), weight[[2, 0]])


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_out_of_range_is_named(index):
    with pytest.raises(
        IndexError, match=f"input must be from 0 to 3, and the indices run from {index} to {index}"
    ):
        Embedding(4, 3)([index])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "at least one row and one column, not 0 and 3"),
        ((3, -1), "not 3 and -1"),
        ((3, 2, 3), "padding_idx is 3, and the table has 3 rows"),
        ((3, 2, -4), "padding_idx is -4"),
    ],
)
def test_embedding_without_rows_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Embedding(*arguments)


def test_a_slice_of_a_sequential_is_one_of_the_same_layers():
    model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1)).eval()
    front = model[:-1]
    assert type(front) is Sequential
    assert len(front) == 2
    assert front[0] is model[0]
    assert not front.training
    assert len(model) == 3
    x = rng().standard_normal((4, 2))
    np.testing.assert_array_equal(model[2](front(x)).data, model(x).data)
    assert [type(layer) for layer in model[::-2]] == [Linear, Linear]


def test_a_sequential_grows():
    model = Sequential().append(Tanh()).extend([Linear(2, 2), ReLU()])
    assert [type(layer) for layer in model] == [Tanh, Linear, ReLU]


@pytest.mark.parametrize("layer", [Sequential(), Sequential(Tanh())[:0], Identity()])
def test_nothing_is_the_identity(layer):
    x = Tensor([1.0, 2.0])
    assert layer(x) is x


def test_the_parameters_in_a_module_list_are_found():
    layers = ModuleList(Linear(2, 2, bias=False) for _ in range(2)).append(Linear(2, 1))
    assert list(layers.state_dict()) == [
        *("layers.0.weight", "layers.1.weight", "layers.2.weight", "layers.2.bias")
    ]
    assert isinstance(layers[1:], ModuleList)
    assert [*layers[1:]] == [layers[1], layers[2]]
    layers.eval()
    assert not any(layer.training for layer in layers)
    with pytest.raises(NotImplementedError, match="ModuleList has no __call__"):
        layers(np.ones(2))


@pytest.mark.parametrize("container", [lambda x: ModuleList([x]), Residual, ModuleList().append])
@pytest.mark.parametrize(
    ("layer", "message"),
    [(3, "takes layers, and 3 cannot be called"), (ReLU, r"ReLU is a class: write ReLU\(\)")],
)
def test_containers_refuse_what_is_no_layer(container, layer, message):
    with pytest.raises(TypeError, match=message):
        container(layer)


def test_residual_adds_what_its_layer_computes():
    block = Residual(Sequential(Linear(3, 3), Tanh()))
    x = rng().standard_normal((2, 3))
    np.testing.assert_array_equal(block(x).data, x + block.layer(x).data)
    assert list(block.state_dict()) == ["layer.layers.0.weight", "layer.layers.0.bias"]
    gradcheck(block, x, order=2)


def test_residual_of_another_shape_names_both():
    with pytest.raises(ValueError, match=r"turned x of shape \(2, 3\) into \(2, 1\)"):
        Residual(Linear(3, 1))(np.ones((2, 3)))  # would broadcast


@pytest.mark.parametrize(
    ("settings", "shape", "flat"),
    [
        ({}, (2, 3, 4), (2, 12)),
        ({}, (2, 3), (2, 3)),
        ({}, (0, 3, 4), (0, 12)),
        ({"start_dim": 0}, (2, 3, 4), (24,)),
        ({"end_dim": 2}, (2, 3, 4, 5), (2, 12, 5)),
        ({"start_dim": -3, "end_dim": -2}, (2, 3, 4, 5), (2, 12, 5)),
    ],
)
def test_flatten_joins_axes(settings, shape, flat):
    x = rng().standard_normal(shape)
    out = Flatten(**settings)(x)
    assert out.shape == flat
    np.testing.assert_array_equal(out.ravel(), x.ravel())
    np.testing.assert_array_equal(Flatten(**settings)(Tensor(x)).data, out)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (3,)),
        ({}, ()),
        ({"end_dim": 3}, (2, 3, 4)),
        ({"start_dim": 2, "end_dim": 1}, (2, 3, 4)),
    ],
)
def test_flatten_without_such_axes_names_them(settings, shape):
    with pytest.raises(ValueError, match=r"Flatten joins the axes from \d to -?\d, and x of"):
        Flatten(**settings)(np.ones(shape))


def test_layers_show_their_settings():
    assert repr(Sequential(Dropout(0.2), Flatten(0), Identity())) == (
        "Sequential(\n"
        "  (layers.0): Dropout(p=0.2)\n"
        "  (layers.1): Flatten(start_dim=0, end_dim=-1)\n"
        "  (layers.2): Identity()\n"
        ")"
    )


def test_under_no_grad_no_layer_makes_a_graph():
    with no_grad():
        out = Sequential(Embedding(3, 4, 0), Dropout(), Residual(Tanh()), Flatten())(
            [[0, 1], [2, 1]]
        )
    assert out.shape == (2, 8)
    assert not out.requires_grad
