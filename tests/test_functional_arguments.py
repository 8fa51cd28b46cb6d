"""The functions of networks take lists where they take arrays, as NumPy's functions do."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, functional, losses

ROWS, SERIES = np.arange(6.0).reshape(2, 3) / 7, np.arange(48.0).reshape(2, 4, 6) / 9
IMAGES = np.arange(200.0).reshape(2, 4, 5, 5) / 99
THREE, FOUR = np.array([1.0, -2.0, 0.5]), np.array([1.0, -2.0, 0.5, 3.0])
PARTS = np.full((2, 3), 1 / 3)
CLASSES = np.array([0, 2])
# Of each function the arguments, arrays among them
CALLS = {
    **dict.fromkeys(functional.__all__, (ROWS,)),
    "adaptive_avg_pool2d": (IMAGES, 2),
    "avg_pool1d": (SERIES, 2),
    "avg_pool2d": (IMAGES, 2),
    "batch_norm": (SERIES, FOUR, FOUR**2, FOUR, FOUR),
    "conv1d": (SERIES, SERIES[:, :, :3], THREE[:2]),
    "conv2d": (IMAGES, IMAGES[:, :, :3, :3], THREE[:2]),
    "conv_transpose2d": (IMAGES, IMAGES.reshape(4, 2, 5, 5)[..., :2], THREE[:2]),
    "cosine_similarity": (ROWS, PARTS),
    "embedding": (CLASSES, np.arange(6.0).reshape(3, 2)),
    "glu": (SERIES,),
    "group_norm": (IMAGES, 2, FOUR, FOUR),
    "layer_norm": (ROWS, 3, THREE, THREE),
    "max_pool1d": (SERIES, 2),
    "max_pool2d": (IMAGES, 2),
    "one_hot": (CLASSES,),
    "pad": (IMAGES, (1, 1)),
    "prelu": (IMAGES, FOUR),
    "rms_norm": (ROWS, 3, THREE),
    "scaled_dot_product_attention": (ROWS, ROWS + 1, PARTS, np.eye(2, dtype=bool)),
}
LOSSES = {
    **dict.fromkeys(losses.__all__, (PARTS, ROWS)),
    "categorical_cross_entropy": (PARTS, CLASSES),
    "cosine_embedding_loss": (ROWS, PARTS, np.array([1, -1])),
    "cross_entropy": (ROWS, CLASSES, THREE**2),
    "gaussian_nll_loss": (ROWS, PARTS, PARTS),
    "hinge_loss": (THREE, np.sign(THREE)),
    "kl_div": (np.log(PARTS), PARTS),
    "multi_margin_loss": (ROWS, CLASSES),
    "nll_loss": (ROWS, CLASSES, THREE**2),
    "triplet_margin_loss": (ROWS, PARTS, -ROWS),
}


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("name", [*CALLS, *LOSSES])
def test_a_list_is_an_array(name, kind):
    function = getattr(functional if name in CALLS else losses, name)
    arguments = (CALLS | LOSSES)[name]
    options = {"training": False} if name == "dropout" else {}
    expected = function(*arguments, **options)
    for i, x in enumerate(arguments):
        if isinstance(x, np.ndarray):
            found = function(*arguments[:i], kind(x.tolist()), *arguments[i + 1 :], **options)
            np.testing.assert_allclose(found, expected, 1e-12)


def test_a_gradient_flows_through_a_function_with_a_list():
    x = Tensor(SERIES, requires_grad=True)
    functional.batch_norm(x, None, None, [1.0, 2.0, 3.0, 4.0], training=True)[0, 0, 0].backward()
    assert np.count_nonzero(x.grad[:, 0]) == 12


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_a_list_that_training_would_change_is_refused(name):
    running = {"running_mean": np.zeros(4), "running_var": np.ones(4), name: [0.0] * 4}
    said = f"batch_norm changes {name} in place in training, and this is a list: make an array"
    with pytest.raises(TypeError, match=said):
        functional.batch_norm(SERIES, **running, training=True)
    assert np.all(running["running_mean"] == np.zeros(4))  # the other is as it was
