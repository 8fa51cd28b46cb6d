"""Derivatives of functions: closed forms, every nesting, structures, nobody's .grad changed."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, checkpoint, gradcheck, no_grad
from tinygrad_edu.graph import Node
from tinygrad_edu.transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, 0.5, -2.0])


def field(x):
    return np.sin(x) * np.square(x[::-1])


def wave(x):
    return np.sum(field(x))


def close(x, y):
    np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


def tanh_derivative(n, x):
    """The n-th derivative of tanh, a polynomial in t = tanh(x): each d/dx is (1 - t²) d/dt."""
    polynomial = np.polynomial.Polynomial([0, 1])
    for _ in range(n):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([1, 0, -1])
    return polynomial(np.tanh(x))


@pytest.mark.parametrize("n", range(1, 7))
def test_grad_nests_to_any_order(n):
    f, g = np.tanh, np.tanh
    for _ in range(n):
        f, g = grad(f), elementwise_grad(g)
    close(f(0.3), tanh_derivative(n, 0.3))
    close(g(X), tanh_derivative(n, X))


def test_plain_in_plain_out():
    value, g = value_and_grad(wave)(X)
    out, back = vjp(field, X)
    results = [value, g, out, *back(V), *jvp(field, (X,), (V,)), grad(np.tanh)(0.3)]
    results += [jacobian(field)(X), hessian(wave)(X), hvp(wave)(X, V), elementwise_grad(np.sin)(X)]
    assert all(isinstance(x, np.ndarray) for x in results)
    assert value == wave(X)
    gradcheck(wave, X)
    x = Tensor(X, requires_grad=True)
    wave(x).backward()
    close(g, x.grad)


def test_tracked_in_tracked_out():
    x = Tensor(X, requires_grad=True)
    value, g = value_and_grad(wave)(x)
    out, back = vjp(field, x)
    results = [value, g, out, *back(V), *jvp(field, (x,), (V,)), elementwise_grad(np.sin)(x)]
    results += [jacobian(field)(x), hessian(wave)(x), hvp(wave)(x, V)]
    assert all(isinstance(r, Tensor) and r.requires_grad for r in results)
    assert x.grad is None
    np.sum(g * V).backward()  # a transform inside of backward
    close(x.grad, hessian(wave)(X) @ V)


def test_tensors_that_track_nothing_give_tensors_that_track_nothing():
    value, g = value_and_grad(wave)(Tensor(X))
    assert isinstance(value, Tensor)
    assert isinstance(g, Tensor)
    assert not value.requires_grad
    assert not g.requires_grad


@pytest.mark.parametrize(
    "f",
    [
        grad(wave),
        lambda x: jvp(wave, (x,), (V,))[1],
        lambda x: jvp(grad(wave), (x,), (x,))[1],
        lambda x: hvp(wave)(x, x),
        jacobian(field),
        hessian(wave),
        lambda x: vjp(field, x)[1](x)[0],
        elementwise_grad(np.tanh),
        lambda x: checkpoint(field, x),
    ],
)
def test_a_transform_is_a_function_like_any_other(f):
    gradcheck(f, X)


def test_nesting_in_all_combinations():
    h = hessian(wave)(X)
    close(h, h.T)
    close(h, jacobian(grad(wave))(X))
    close(h @ V, hvp(wave)(X, V))
    close(h @ V, jvp(grad(wave), (X,), (V,))[1])
    close(h @ V, grad(lambda x: jvp(wave, (x,), (V,))[1])(X))
    close(h @ V, vjp(grad(wave), X)[1](V)[0])
    close(h @ V, grad(lambda x: grad(wave)(x) @ V)(X))
    third = jacobian(hessian(wave))(X)
    close(third @ V, jacobian(lambda x: hvp(wave)(x, V))(X))
    close(third @ V, jvp(hessian(wave), (X,), (V,))[1])
    close(
        np.einsum("ijk,j,k", third, V, V),
        grad(lambda x: jvp(lambda y: jvp(wave, (y,), (V,))[1], (x,), (V,))[1])(X),
    )
    fourth = hessian(lambda x: hvp(wave)(x, V) @ V)(X)
    close(fourth, np.einsum("ijkl,k,l", jacobian(jacobian(hessian(wave)))(X).transpose(), V, V))


def test_a_function_may_use_the_variable_of_an_outer_one():
    assert grad(lambda a: grad(lambda x: a * x**2)(3.0))(2.0) == 6
    assert grad(lambda a: a * grad(lambda x: a * x)(1.0))(5.0) == 10
    assert grad(lambda a: jvp(lambda x: a * x**2, (3.0,), (1.0,))[1])(2.0) == 6
    assert grad(lambda a: a * grad(lambda x: x + 1)(3.0))(2.0) == 1


def test_jvp_is_j_v_and_vjp_is_u_j():
    j = jacobian(field)(X)
    close(j, np.diag(np.cos(X) * X[::-1] ** 2) + np.diag(np.sin(X) * 2 * X[::-1])[:, ::-1])
    out, back = vjp(field, X)
    close(out, field(X))
    close(back(V)[0], V @ j)
    close(back(X)[0], X @ j)  # the same graph serves again
    close(jvp(field, (X,), (V,))[1], j @ V)
    assert jacobian(lambda x: x.sum(axis=0))(np.ones((2, 3))).shape == (3, 2, 3)
    gradient = jacobian(lambda u: back(u)[0])(V)  # u J is linear in u
    close(gradient.data, j.T)


def test_structures_come_back_as_they_went_in():
    w = {"w": [np.ones((2, 3)), X], "b": (0.5,)}

    def f(p, x):
        return np.sum((x @ p["w"][0] + p["w"][1]) ** 2) * p["b"][0]

    x = np.array([1.0, 2.0])
    g = grad(f)(w, x)
    assert list(g) == ["w", "b"]
    assert isinstance(g["w"], list)
    assert isinstance(g["b"], tuple)
    close(g["w"][1], 2 * (x @ w["w"][0] + X) * 0.5)
    close(g["b"][0], f(w, x) / 0.5)
    both = grad(f, argnums=(1, 0))(w, x)
    close(both[0], grad(f, argnums=1)(w, x))
    close(both[1]["w"][0], g["w"][0])
    reordered = {"b": g["b"], "w": g["w"]}
    h = hvp(f)(w, x, reordered)
    close(h["b"][0], jvp(grad(lambda p: f(p, x)), (w,), (g,))[1]["b"][0])
    out, back = vjp(lambda x: {"s": np.sin(x), "c": (np.cos(x), x)}, X)
    close(out["c"][0], np.cos(X))
    close(back({"c": (X, V), "s": V})[0], V * np.cos(X) - X * np.sin(X) + V)
    assert jacobian(lambda p: p["x"] * 2)({"x": X})["x"].shape == (3, 3)


def test_no_grad_of_a_user_is_changed():
    w = Tensor(X, requires_grad=True)
    w.grad = V
    x = Tensor(X, requires_grad=True)

    def f(x):
        return np.sum(np.tanh(w * x) ** 2)

    hessian(f)(x)
    hvp(f)(x, V)
    jvp(f, (x,), (V,))
    assert w.grad is V
    assert x.grad is None


def test_a_parameter_that_f_closes_over_can_be_trained_through_grad():
    def penalty(w):
        return np.sum(np.square(grad(lambda x: np.sum(np.tanh(w * x)))(X)))

    gradcheck(penalty, V)
    w = Tensor(V, requires_grad=True)
    penalty(w).backward()
    assert w.grad is not None
    with no_grad():
        plain = grad(lambda x: np.sum(np.tanh(w * x)))(X)
        assert isinstance(plain, np.ndarray)
        assert isinstance(jvp(lambda x: np.tanh(w * x), (X,), (V,))[1], np.ndarray)
        assert not grad(wave)(w).requires_grad
    close(plain, V * (1 - np.tanh(V * X) ** 2))


def test_what_f_does_not_depend_on_has_gradient_zero():
    close(grad(lambda x: 3.0)(X), np.zeros(3))
    close(grad(lambda x, y: np.sum(x), argnums=1)(X, X), np.zeros(3))
    close(jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))
    close(hessian(lambda x: np.sum(x) * 2)(X), np.zeros((3, 3)))
    close(jvp(lambda x: 3, (X,), (V,))[1], 0)
    assert grad(grad(lambda x: 2 * x))(1.0) == 0


def test_float32_stays_float32():
    x = X.astype(np.float32)
    assert grad(wave)(x).dtype == np.float32
    assert hessian(wave)(x).dtype == np.float32
    assert jvp(field, (x,), (x,))[1].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(field)(X), ValueError, r"field, and got shape \(3,\): sum it, or use jac"),
        (lambda: grad(wave)(np.arange(3)), TypeError, "wave cannot be .* int64: write 1.0 for 1"),
        (lambda: grad(wave, 1)(X), ValueError, "argnums is 1, and wave got 1 arguments"),
        (lambda: grad(wave, (0, -1))(X), ValueError, "names an argument twice"),
        (lambda: grad(np.sin)(Value(1.0)), TypeError, "sin got a Value; pass a float"),
        (
            lambda: jvp(field, (X,), (1.0,)),
            ValueError,
            r"tuple\(shape \(\)\).*tuple\(shape \(3,\)\)",
        ),
        (lambda: jvp(field, (X,), ([X],)), ValueError, r"tangents: tuple\(list\(shape \(3,\)\)\)"),
        (lambda: vjp(field, X)[1](X[:2]), ValueError, r"cotangent: shape \(2,\); the result of"),
        (lambda: hvp(wave)(X, 1.0), ValueError, r"cotangent: shape \(\).*shape \(3,\)"),
        (lambda: elementwise_grad(wave)(X), ValueError, r"result of wave: shape \(\); the arg"),
        (lambda: jacobian(lambda x: (x, x))(X), TypeError, "jacobian needs one array"),
        (lambda: checkpoint(lambda x: (x, x), Tensor(X)), TypeError, "needs one Tensor"),
    ],
)
def test_errors_say_what_happened(call, error, message):
    with pytest.raises(error, match=message):
        call()


# checkpoint


def kept_bytes(out):
    """The bytes of the arrays that the graph behind out holds."""
    stack, seen, arrays = [out], set(), {}
    while stack:
        node = stack.pop()
        arrays.update({id(a): a.nbytes for a in node.seen if isinstance(a, np.ndarray)})
        new = {x for x in node.inputs if isinstance(x, Node)} - seen
        seen |= new
        stack += new
    return sum(arrays.values())


def parameters():
    return [Tensor(x, requires_grad=True) for x in (X, V, X + V)]


def test_checkpoint_gives_the_same_gradients_and_keeps_less():
    def run(keep):
        a, w, b = parameters()

        def block(x, options):  # closes over w, and over h, which depends on w and is in x as well
            for _ in range(10):
                x = np.tanh(x * w + options["b"] * h)
            return x

        h = np.exp(w)
        x = a * h
        out = block(x, {"b": b}) if keep else checkpoint(block, x, {"b": b})
        loss = np.sum(out**2)
        loss.backward()
        return kept_bytes(loss), loss.data, a.grad, w.grad, b.grad

    more, *expected = run(keep=True)
    less, *got = run(keep=False)
    for x, y in zip(got, expected, strict=True):
        close(x, y)
    assert less < more / 3


def test_checkpoint_to_second_order_and_inside_of_itself():
    _, w, _ = parameters()

    def f(x):
        return np.tanh(x * w) * w

    def g(x):
        return checkpoint(lambda y: checkpoint(f, y) * x, np.sin(x))

    gradcheck(g, X)
    close(
        hessian(lambda x: np.sum(g(x)))(X).data,
        hessian(lambda x: np.sum(f(np.sin(x)) * x))(X).data,
    )
    gradcheck(lambda v: np.sum(checkpoint(lambda x: np.square(np.tanh(x * v)) * v, Tensor(X))), V)
    assert w.grad is None


def test_checkpoint_notices_what_would_be_wrong():
    a, w, _ = parameters()
    rng = np.random.default_rng(0)
    loss = np.sum(checkpoint(lambda x: x * w, a))
    w.data = w.data + 1
    with pytest.raises(RuntimeError, match=r"call backward\(\) before you change parameters"):
        loss.backward()
    loss = np.sum(checkpoint(lambda x: x * w, a))
    w.data *= 2
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()
    constant = Tensor(np.ones(3))  # a change of it that the result does not show
    loss = np.sum(checkpoint(lambda x: (x - x.detach()) * constant[:], a))
    constant.data *= 2
    with pytest.raises(RuntimeError, match=r"array of shape \(3,\) has changed since"):
        loss.backward()
    loss = np.sum(checkpoint(lambda x: (x - x.detach()) * w, a))
    w.data = w.data * 2  # nor does it show this
    with pytest.raises(RuntimeError, match=r"array of shape \(3,\) has changed since"):
        loss.backward()
    loss = np.sum(checkpoint(lambda x: x * rng.standard_normal(3), a))
    with pytest.raises(RuntimeError, match="draw random numbers outside"):
        loss.backward()
    with no_grad():
        assert not checkpoint(lambda x: x * w, a).requires_grad
    loss = np.sum(checkpoint(lambda x: Tensor(X), a) + a)
    loss.backward()
    close(a.grad, np.ones(3))


@pytest.mark.parametrize("out", [None, "text", 1j])
def test_what_is_no_number_is_no_result(out):
    with pytest.raises(TypeError, match="must return numbers, and it returned"):
        grad(lambda x: out)(1.0)
