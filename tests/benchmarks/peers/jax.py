"""JAX: functions of parameters, their derivative and the update in one jax.jit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from peers import formulas

CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
    "operation": "jax.jit compiles a whole chain: there are no single operations",
    "graph": "it compiles the graph once, so a step makes none",
    "adam": "part of the compiled step",
    "convolution_layer": "part of the compiled step",
}


def sgd(p, g, state, lr):
    return jax.tree.map(lambda p, g: p - lr * g, p, g), state


def adam(p, g, state, lr, weight_decay=0.0):
    t, m, v = state
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)

    def moved(p, m, v):
        step = m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return p * (1 - lr * weight_decay) - lr * step

    return jax.tree.map(moved, p, m, v), (t, m, v)


UPDATES = {"SGD": sgd, "Adam": adam, "AdamW": functools.partial(adam, weight_decay=0.01)}


def training(loss_of, p, optimizer, lr, *data, double=()):
    """loss_of(p, key, *data); `double` names parameters that move twice as far."""
    p = {name: jnp.asarray(x) for name, x in p.items()}
    data = [jnp.asarray(x) for x in data]
    zeros = jax.tree.map(jnp.zeros_like, p)
    state = (jnp.float32(0), zeros, jax.tree.map(jnp.copy, zeros))
    key = jax.random.key(0)
    rates = {name: lr * (2 if name in double else 1) for name in p}
    update = UPDATES[optimizer]
    if double:
        update = lambda p, g, state, _: ({k: p[k] - rates[k] * g[k] for k in p}, state)  # noqa: E731

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def compiled(p, state, key, *data):
        key, drawn = jax.random.split(key)
        loss, g = jax.value_and_grad(loss_of)(p, drawn, *data)
        return loss, *update(p, g, state, lr), key

    def step():
        nonlocal p, state, key
        loss, p, state, key = compiled(p, state, key, *data)
        return float(loss)

    return step


def parameters_of(arrays):
    return {name: x for name, x in arrays.items() if name not in "xy"}


def perceptron(arrays, optimizer, lr):
    if arrays["x"].dtype == np.float64:
        jax.config.update("jax_enable_x64", True)

    def loss_of(p, key, x, y):
        log_p = jax.nn.log_softmax(formulas.perceptron(jnp, p, x))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    p = parameters_of(arrays)
    return training(loss_of, p, optimizer, lr, arrays["x"], arrays["y"])


def convolve(_, x, weight, bias):
    return jax.lax.conv(x, weight, (1, 1), "SAME") + bias[:, None, None]


def convolution(arrays, lr, dropout):
    def loss_of(p, key, x, y):
        kept = jax.random.bernoulli(key, 1 - dropout, (len(x), 512)) / (1 - dropout)
        logits = formulas.convolution(jnp, p, x, kept if dropout else 1.0, convolve)
        log_p = jax.nn.log_softmax(logits)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    return training(loss_of, parameters_of(arrays), "AdamW", lr, arrays["x"], arrays["y"])


def transformer(arrays, heads, lr):
    mask = formulas.causal_mask(len(arrays["position.weight"]))

    def loss_of(p, key, x, y):
        log_p = jax.nn.log_softmax(formulas.transformer(jnp, p, x, heads, mask))
        return -jnp.mean(jnp.take_along_axis(log_p, y.reshape(-1, 1), axis=1))

    return training(loss_of, parameters_of(arrays), "AdamW", lr, arrays["x"], arrays["y"])


def recurrent(arrays, lr):
    """One scan over time."""

    def loss_of(p, key, x, y):
        def one(state, a):
            h, c = formulas.lstm_step(jnp, p["weight_hh"], a, *state, jax.nn.sigmoid)
            return (h, c), h

        zeros = jnp.zeros_like(y[0])
        _, out = jax.lax.scan(one, (zeros, zeros), x @ p["weight_ih"] + p["bias"])
        return jnp.mean((out - y) ** 2)

    p = {name: arrays[name] for name in ("weight_ih", "weight_hh")}
    p["bias"] = arrays["bias_ih"] + arrays["bias_hh"]
    return training(loss_of, p, "SGD", lr, arrays["x"], arrays["y"], double=["bias"])
