"""What does a recurrent layer do with a whole sequence? Loops over time, each as one function.

Each function is followed by its rule, as in kernels.py. Made of single operations, a step would be
twenty nodes, and the gradient of each weight a sum over all steps. Here that sum is one matrix
product. The result of the LSTM holds its gates, too, since its rule needs them; the rule of the GRU
computes its gates again, for all steps at once. In the shapes, T is the number of steps, H the size
of h, and ... any axes between, such as the batch.
"""

import numpy as np

from tinygrad_edu.graph import backward_of, primitive
from tinygrad_edu.kernels import rows
from tinygrad_edu.precision import floating


@primitive
def rnn(a, weight, h, rectified=False):
    """All states h of h' = tanh(a[t] + h W); relu in place of tanh if `rectified`.

    a: (T, ..., H), x W_ih + b for all steps; weight: (H, H); h: (..., H). out: (T, ..., H).
    """
    check_shapes("rnn", a, weight, h)
    out = []
    for x in a:
        x = x + h @ weight
        h = np.maximum(x, 0) if rectified else np.tanh(x)
        out.append(h)
    return np.stack(out)


@backward_of(rnn)
def rnn_backward(g, out, a, weight, h, rectified=False):
    slopes = (out > 0) if rectified else 1 - out * out
    d_h, d_a, back = 0 * h, [], transposed(weight)
    for t in reversed(range(len(a))):
        d_a.append((d_h + g[t]) * slopes[t])
        d_h = d_a[-1] @ back
    d_a = np.stack(d_a[::-1])
    return d_a, lambda: rows(before(h, out)).T @ rows(d_a), d_h


@primitive
def gru(a, weight, bias, h):
    """All states h of a GRU, with the equations of `nn.GRUCell`.

    a: (T, ..., 3 H), x W_ih + b_ih for all steps; weight: (H, 3 H); bias: (3 H,); h: (..., H).
    out: (T, ..., H).
    """
    check_shapes("gru", a, weight, h)
    n = weight.shape[0]
    out = []
    for x in a:
        y = h @ weight + bias
        r, z = parts(squashed(x[..., : 2 * n] + y[..., : 2 * n]), n)
        new = np.tanh(x[..., 2 * n :] + r * y[..., 2 * n :])
        h = (1 - z) * new + z * h
        out.append(h)
    return np.stack(out)


@backward_of(gru)
def gru_backward(g, out, a, weight, bias, h):
    n = weight.shape[0]
    before_h = before(h, out)
    y = (rows(before_h) @ weight).reshape(a.shape) + bias
    r, z = parts(squashed(a[..., : 2 * n] + y[..., : 2 * n]), n)
    new = np.tanh(a[..., 2 * n :] + r * y[..., 2 * n :])
    # The derivative of h' with respect to what goes into each gate, before tanh or sigmoid.
    by_new = (1 - z) * (1 - new * new)
    by_r = by_new * y[..., 2 * n :] * r * (1 - r)
    by_z = (before_h - new) * z * (1 - z)
    slopes = np.concatenate([by_r, by_z, by_new * r], axis=-1)
    d_h, d_y, back = 0 * h, [], transposed(weight)
    d_hs = []
    for t in reversed(range(len(a))):
        d_h = d_h + g[t]
        d_hs.append(d_h)
        d_y.append(np.concatenate([d_h, d_h, d_h], axis=-1) * slopes[t])
        d_h = d_h * z[t] + d_y[-1] @ back
    d_hs, d_y = np.stack(d_hs[::-1]), np.stack(d_y[::-1])
    return (
        lambda: np.concatenate([d_hs * by_r, d_hs * by_z, d_hs * by_new], axis=-1),
        lambda: rows(before_h).T @ rows(d_y),
        lambda: d_y,
        d_h,
    )


@primitive
def lstm(a, weight, h, c):
    """All states and gates of an LSTM, with the equations of `nn.LSTMCell`: h, c, i, f, g, o.

    a: (T, ..., 4 H), x W_ih + b for all steps; weight: (H, 4 H); h and c: (..., H).
    out: (T, 6, ..., H).
    """
    check_shapes("lstm", a, weight, h, c)
    shape, scale = (len(a), 6, *h.shape), scale_of_gates(weight)
    shift = 1 - scale
    weight = by_gate(weight).copy()
    h, c, out = rows(h), rows(c), []
    for x in by_gate(a.reshape(len(a), -1, a.shape[-1])):
        gates = np.tanh((h @ weight + x) * scale)
        gates *= scale
        gates += shift
        i, f, g, o = gates
        c = f * c + i * g
        h = o * np.tanh(c)
        out += [h[None], c[None], gates]
    return np.concatenate(out).reshape(shape)


@backward_of(lstm)
def lstm_backward(gradient, out, a, weight, h, c):
    n = h.shape[-1]
    shape, shift = (len(a), 6, -1, n), 2 * scale_of_gates(weight) - 1
    gradient, out = gradient.reshape(shape), out.reshape(shape)
    cs = [rows(c), *out[:, 1]]  # before each step, and after the last one
    d_h, d_c, d_a, back = 0 * rows(h), 0 * rows(c), [], transposed(weight).reshape(4, n, n)
    for t in reversed(range(len(a))):
        i, f, g, o = gates = out[t, 2:]
        shown = np.tanh(cs[t + 1])
        d_h = d_h + gradient[t, 0]
        d_c = d_c + gradient[t, 1] + d_h * (o * (1 - shown * shown))
        d_gates = np.concatenate([d_c * g, d_c * cs[t], d_c * i, d_h * shown])
        d = d_gates.reshape(gates.shape) + gradient[t, 2:]
        d = d * ((1 - gates) * (gates + shift))  # y (1 - y) for sigmoids, 1 - y² for tanh
        d_a.append(d.swapaxes(0, 1))
        d_c, d_h = d_c * f, (d @ back).sum(axis=0)
    d_a = np.stack(d_a[::-1]).reshape(a.shape)
    return (
        d_a,
        lambda: rows(before(rows(h), out[:, 0])).T @ rows(d_a),
        d_h.reshape(h.shape),
        d_c.reshape(c.shape),
    )


def check_shapes(name, a, weight, *states):
    """Raise ValueError for arrays that do not fit: nothing broadcasts here."""
    n, columns = weight.shape
    step = (*a.shape[1:-1], n)
    if a.shape[-1:] != (columns,) or not len(a) or any(x.shape != step for x in states):
        found = ", ".join(str(x.shape) for x in states)
        raise ValueError(
            f"{name}: with a weight of shape {weight.shape}, a is (T, ..., {columns}) with T of at "
            f"least 1, and a state is (..., {n}); a has shape {a.shape}, and the state {found}"
        )


def by_gate(x):
    """x: (..., n, 4 H) as (..., 4, n, H): i, f, g, o. Four small products are faster than one."""
    return x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4).swapaxes(-2, -3)


def scale_of_gates(weight):
    """1/2 for i, f and o, as sigmoid(x) = tanh(x / 2) / 2 + 1/2; 1 for g. Of shape (4, 1, 1)."""
    scale = np.full_like(floating(weight), 0.5, shape=(4, 1, 1))
    scale[2] = 1
    return scale


def squashed(x):
    """sigmoid(x) by tanh: its error is a rounding of 1, which is small enough for a gate."""
    return np.tanh(x * 0.5) * 0.5 + 0.5


def parts(x, n):
    """x in parts of n columns each."""
    return [x[..., k : k + n] for k in range(0, x.shape[-1], n)]


def before(h, out):
    """The state before each step: h, then out[:-1]."""
    return np.concatenate([h[None], out[:-1]])


def transposed(weight):
    """W.T as a copy in C order: it is multiplied many times, and that is faster so."""
    return weight.T.copy()
