"""Recurrent networks: a cell computes one time step, a layer applies it along a sequence."""

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinygrad_edu import kernels, recurrences
from tinygrad_edu.graph import plain
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.init import uniform_parameter
from tinygrad_edu.nn.module import Module
from tinygrad_edu.operands import as_array
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor

NONLINEARITIES: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": kernels.relu}


class Cell(Module):
    """What the cells share: x W_ih + b_ih and h W_hh + b_hh, for all gates in one product each.

    weight_ih: (in, gates * hidden) and weight_hh: (hidden, gates * hidden) are the transposes of
    PyTorch's; bias_ih, bias_hh: (gates * hidden,). All start uniform in ±1/sqrt(hidden_size).
    """

    gates: ClassVar[int]  # blocks of hidden_size columns in the weights
    state: ClassVar[tuple[str, ...]] = ("h",)  # what one step passes to the next

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                f"{type(self).__name__} needs input_size and hidden_size of at least 1, not "
                f"{input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        rng = default_rng(rng)
        bound = 1 / math.sqrt(hidden_size)

        def uniform(name: str, *shape: int) -> Tensor:
            return uniform_parameter(name, shape, bound, rng, dtype)

        columns = self.gates * hidden_size
        self.weight_ih = uniform("weight_ih", input_size, columns)
        self.weight_hh = uniform("weight_hh", hidden_size, columns)
        self.bias_ih = uniform("bias_ih", columns) if bias else None
        self.bias_hh = uniform("bias_hh", columns) if bias else None

    def from_input(self, x: Any) -> Any:
        """x W_ih + b_ih."""
        return affine(x, self.weight_ih, self.bias_ih)

    def asked(self, x: Any) -> Any:
        """x W_ih + b_ih + b_hh: all that does not depend on h."""
        bias = None if self.bias_ih is None else self.bias_ih + self.bias_hh
        return affine(x, self.weight_ih, bias)

    def from_hidden(self, h: Any) -> Any:
        """h W_hh + b_hh."""
        return affine(h, self.weight_hh, self.bias_hh)

    def scan(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """h after each step of the sequence x: (T, N, in), and the last state."""
        raise NotImplementedError

    def start(self, x: Any, hx: Any) -> list[Any]:
        """The state before this step: what hx holds, or zeros."""
        shape = np.shape(plain(x))
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            n = self.input_size
            raise ValueError(
                f"{type(self).__name__} takes x of shape (N, {n}), or ({n},) without a batch; "
                f"this x has shape {shape}"
            )
        return checked_state(self, hx, (*shape[:-1], self.hidden_size))

    def extra_repr(self) -> str:
        return f"input_size={self.input_size}, hidden_size={self.hidden_size}" + (
            "" if self.bias_ih is not None else ", bias=False"
        )


def affine(x: Any, weight: Tensor, bias: Any) -> Any:
    """x W + b; x W if b is None."""
    return x @ weight if bias is None else kernels.linear(x, weight, bias)


def checked_state(cell: Cell, hx: Any, shape: tuple[int, ...], who: str | None = None) -> list[Any]:
    """The parts of the state hx, each of this shape; zeros for None. Errors name `who`."""
    who, names = who or type(cell).__name__, cell.state
    if hx is None:
        return [np.zeros_like(cell.weight_hh, shape=shape)] * len(names)
    parts = [hx] if len(names) == 1 else hx
    if not isinstance(parts, tuple | list) or len(parts) != len(names):
        raise TypeError(f"{who} takes hx as a pair ({', '.join(names)})")
    for name, part in zip(names, parts, strict=True):
        if np.shape(plain(part)) != shape:
            raise ValueError(
                f"{who}: {name} in hx has shape {np.shape(plain(part))}, and this x needs {shape}"
            )
    return list(map(as_array, parts))


class RNNCell(Cell):
    """h' = tanh(x W_ih + b_ih + h W_hh + b_hh), or relu in place of tanh.

    x: (N, in) or (in,); hx = h, h': (N, hidden) or (hidden,); without hx, h is 0.
    Elman 1990, "Finding Structure in Time".
    Raises ValueError for an x or hx of another shape and for an unknown nonlinearity.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.nonlinearity = nonlinearity

    def __call__(self, x: Any, hx: Any = None) -> Tensor:
        (h,) = self.start(x, hx)
        squash = NONLINEARITIES[self.nonlinearity]
        return squash(self.from_input(x) + self.from_hidden(h))

    def scan(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        rectified = self.nonlinearity == "relu"
        out = recurrences.rnn(self.asked(x), self.weight_hh, *state, rectified=rectified)
        return out, (out[-1],)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity!r}"


class GRUCell(Cell):
    """h' = (1 - z) n + z h: the gate z says how much of h stays.

    r = sigmoid(x W_ir + b_ir + h W_hr + b_hr)      reset
    z = sigmoid(x W_iz + b_iz + h W_hz + b_hz)      update
    n = tanh(x W_in + b_in + r (h W_hn + b_hn))     new

    weight_ih is [W_ir | W_iz | W_in]; weight_hh and the biases have the same order.
    x: (N, in) or (in,); hx = h, h': (N, hidden) or (hidden,); without hx, h is 0.
    Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
    Machine Translation", section 2.3. There, r multiplies h before the product with W_hn. Here and
    in PyTorch, r multiplies after it, so that one product serves all gates.
    Raises ValueError for an x or hx of another shape.
    """

    gates = 3

    def __call__(self, x: Any, hx: Any = None) -> Tensor:
        (h,) = self.start(x, hx)
        x_r, x_z, x_n = np.split(self.from_input(x), 3, axis=-1)
        h_r, h_z, h_n = np.split(self.from_hidden(h), 3, axis=-1)
        r = kernels.sigmoid(x_r + h_r)
        z = kernels.sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * h_n)
        return (1 - z) * n + z * h

    def scan(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        bias = 0.0 if self.bias_hh is None else self.bias_hh
        out = recurrences.gru(self.from_input(x), self.weight_hh, bias, *state)
        return out, (out[-1],)


class LSTMCell(Cell):
    """c' = f c + i g, h' = o tanh(c'): gates decide what c keeps, what is added, what h shows.

    i = sigmoid(x W_ii + b_ii + h W_hi + b_hi)      input gate
    f = sigmoid(x W_if + b_if + h W_hf + b_hf)      forget gate
    g = tanh(x W_ig + b_ig + h W_hg + b_hg)         new values
    o = sigmoid(x W_io + b_io + h W_ho + b_ho)      output gate

    weight_ih is [W_ii | W_if | W_ig | W_io]; weight_hh and the biases have the same order.
    x: (N, in) or (in,); hx = (h, c), result (h', c'): each (N, hidden) or (hidden,); without hx
    both are 0.
    Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", section 4, with the forget gate of
    Gers, Schmidhuber & Cummins 2000, "Learning to Forget", section 3.
    Raises ValueError for an x or hx of another shape, TypeError for an hx that is not a pair.
    """

    gates = 4
    state = ("h", "c")

    def __call__(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        h, c = self.start(x, hx)
        i, f, g, o = np.split(self.from_input(x) + self.from_hidden(h), 4, axis=-1)
        i, f, g, o = kernels.sigmoid(i), kernels.sigmoid(f), np.tanh(g), kernels.sigmoid(o)
        c = f * c + i * g
        return o * np.tanh(c), c

    def scan(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        out = recurrences.lstm(self.asked(x), self.weight_hh, *state)
        h = out[:, 0]
        # Without a graph, a copy: a view of `out` would keep the gates, too, in memory.
        return h if h.requires_grad else h.copy(), (out[-1, 0], out[-1, 1])


class Recurrent(Module):
    """What RNN, GRU and LSTM share: layers of cells; each layer reads the output of the one before.

    cells[layer][direction] is a cell. Direction 0 reads the sequence from the first step to the
    last, direction 1 (if bidirectional) from the last to the first. The output of a layer is the h
    of both directions, side by side.
    """

    cell: Callable[..., Cell]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if num_layers < 1:
            raise ValueError(
                f"{type(self).__name__} needs num_layers of at least 1, not {num_layers}"
            )
        self.strides = (1, -1) if bidirectional else (1,)
        directions = len(self.strides)
        widths = [input_size] + [directions * hidden_size] * (num_layers - 1)
        self.cells = [
            [self.cell(n, hidden_size, bias, rng=rng, dtype=dtype) for _ in range(directions)]
            for n in widths
        ]
        self.batch_first = batch_first
        self.dropout = Dropout(dropout, rng=rng)

    def __call__(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        x = as_array(x)
        self.expect_sequence(x.shape)
        time = 1 if self.batch_first and x.ndim == 3 else 0
        x = np.moveaxis(x, time, 0)
        starts = iter(self.initial_states(x.shape[1:-1], hx))
        finals = []
        for layer, cells in enumerate(self.cells):
            if layer:
                x = self.dropout(x)
            outputs = []
            for cell, stride in zip(cells, self.strides, strict=True):
                h, final = cell.scan(x[::stride], next(starts))
                outputs.append(h[::stride])
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        h_n = [np.stack(states) for states in zip(*finals, strict=True)]
        return np.moveaxis(x, 0, time), h_n[0] if len(h_n) == 1 else tuple(h_n)

    def expect_sequence(self, shape: tuple[int, ...]) -> None:
        n = self.cells[0][0].input_size
        if len(shape) not in (2, 3) or shape[-1] != n or 0 in shape:
            batch = f"(N, T, {n})" if self.batch_first else f"(T, N, {n})"
            raise ValueError(
                f"{type(self).__name__} takes x of shape {batch}, or (T, {n}) without a batch, "
                f"and neither T nor N is 0; this x has shape {shape}"
            )

    def initial_states(self, batch: tuple[int, ...], hx: Any) -> list[tuple[Any, ...]]:
        """The state that each cell starts from, layer by layer."""
        cells = [cell for layer in self.cells for cell in layer]
        shape = (len(cells), *batch, cells[0].hidden_size)
        return list(zip(*checked_state(cells[0], hx, shape, type(self).__name__), strict=True))

    def extra_repr(self) -> str:
        return "batch_first=True" if self.batch_first else ""


class RNN(Recurrent):
    """output[t] = h_t = tanh(x_t W_ih + b_ih + h_t-1 W_hh + b_hh), in layers: see RNNCell.

    x       (T, N, in), with batch_first (N, T, in), or (T, in)
    hx      h_0 of each cell: (layers * directions, N, hidden), or without the N; 0 by default
    result  output, h_n: the last layer's h at every step, (T, N, directions * hidden), and every
            cell's h after its last step, in the shape of hx
    dropout the probability that an element between two layers is set to 0 in training

    Elman 1990, "Finding Structure in Time"; in both directions: Schuster & Paliwal 1997,
    "Bidirectional Recurrent Neural Networks".
    Raises ValueError for other shapes and for an empty sequence.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        self.cell = functools.partial(RNNCell, nonlinearity=nonlinearity)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            rng=rng,
            dtype=dtype,
        )


class GRU(Recurrent):
    """output[t] = h_t = (1 - z) n + z h_t-1, in layers: see GRUCell for the gates.

    Inputs, results and errors are those of RNN. Cho et al. 2014, "Learning Phrase Representations
    using RNN Encoder-Decoder for Statistical Machine Translation", section 2.3.
    """

    cell = GRUCell


class LSTM(Recurrent):
    """c_t = f c_t-1 + i g, output[t] = h_t = o tanh(c_t), in layers: see LSTMCell for the gates.

    hx      (h_0, c_0), each of the shape that RNN's h_0 has
    result  output, (h_n, c_n)
    Everything else is as in RNN. Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; Gers,
    Schmidhuber & Cummins 2000, "Learning to Forget".
    """

    cell = LSTMCell
