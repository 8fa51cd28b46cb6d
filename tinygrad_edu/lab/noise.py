"""How noisy is the gradient of a batch, a mini-batch or one row, and how much does it cost?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.lab.descent import Array
from tinygrad_edu.lab.races import Entry, NetworkCourse, Racer, check_racer, run_racer
from tinygrad_edu.lab.weights import gradient_row, in_a_row, set_weights
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.rng import default_rng

Make = Callable[[], tuple[Any, Any]]


@dataclass(frozen=True)
class GradientNoise:
    """The distance between the gradient g_B of a batch and the gradient g of all n rows.

    batch_size    (k,) the sizes B of the batches
    variance      (k,) measured: the mean of |g_B - g|² over many batches
    theory        (k,) computed: σ² / B (n - B) / (n - 1)
    row_variance  σ²: the mean of |g_i - g|² over all rows i
    size          |g|², for comparison
    """

    batch_size: npt.NDArray[np.int64]
    variance: Array
    theory: Array
    row_variance: float
    size: float

    def __str__(self) -> str:
        rows = [
            f"batches of {b}: noise {v:.3g}, in theory {t:.3g}"
            for b, v, t in zip(self.batch_size, self.variance, self.theory, strict=True)
        ]
        return "\n".join([f"squared size of the gradient: {self.size:.3g}", *rows])


def gradient_noise(
    make: Make,
    data: tuple[Any, Any],
    batch_sizes: Sequence[int] | None = None,
    *,
    samples: int = 200,
    rng: np.random.Generator | None = None,
) -> GradientNoise:
    """E |g_B - g|² = σ² / B (n - B) / (n - 1), measured and computed for one set of weights.

    make         a function without arguments that returns a model and a loss; loss(model(x), y) is
                 a mean over rows
    data         arrays x and y of n rows
    batch_sizes  the numbers of rows to draw, without replacement; default: 1, 2, 4, ... and n
    samples      the number of batches of each size
    rng          the generator of the batches; default: the package's generator

    Cochran 1977, "Sampling techniques", section 2.5.
    Raises ValueError for a batch size below 1 or above n, and for fewer than 2 samples.
    """
    if samples < 2:
        raise ValueError(f"samples must be at least 2, and it is {samples}")
    course, rng = NetworkCourse(make, data), default_rng(rng)
    n = course.rows
    sizes = np.unique([*2 ** np.arange(n.bit_length()), n] if batch_sizes is None else batch_sizes)
    racers = [batch_racer(int(size), n) for size in sizes]
    for racer in racers:
        check_racer(racer, course)
    g = gradient_of(course, course.loss())
    by_row = [course.criterion(course.model(course.x[[i]]), course.y[[i]]) for i in range(n)]
    row_variance = mean_square([gradient_of(course, loss) - g for loss in by_row])
    variance = [
        mean_square([gradient_of(course, course.seen(racer, rng)) - g for _ in range(samples)])
        for racer in racers
    ]
    theory = row_variance / sizes * (n - sizes) / max(n - 1, 1)
    return GradientNoise(sizes, np.array(variance), theory, row_variance, float(g @ g))


def compare_batches(
    make: Make,
    data: tuple[Any, Any],
    batch_sizes: Sequence[int] = (1, 16, 128),
    *,
    lr: float | Sequence[float],
    epochs: int = 10,
    rng: np.random.Generator | None = None,
) -> tuple[Entry, ...]:
    """Gradient descent with each batch size, from the same start, for the same number of epochs.

    make, data   as in `gradient_noise`
    batch_sizes  1 is stochastic gradient descent; all rows is gradient descent
    lr           one learning rate for all sizes, or one for each size. The best rate is smaller for
                 a smaller batch, because its gradient has more noise
    epochs       the number of passes over the rows; a smaller batch makes more steps in each
    rng          the generator of the batches; default: the package's generator

    Each `Entry` has the loss on all data before each step, and `rows_seen`, the cost of the steps
    so far. If the learning rates differ, the names contain them.
    Raises ValueError for a bad batch size, learning rate, number of learning rates, or epochs.
    """
    rates = np.ravel(lr).tolist() * (len(batch_sizes) if np.ndim(lr) == 0 else 1)
    if len(rates) != len(batch_sizes):
        raise ValueError(f"lr has {len(rates)} rates for {len(batch_sizes)} batch sizes")
    epochs = whole("epochs", epochs)
    course, rng = NetworkCourse(make, data), default_rng(rng)
    racers = [batch_racer(size, course.rows, rate) for size, rate in zip(batch_sizes, rates)]
    if len(set(rates)) > 1:
        racers = [replace(racer, name=f"{racer.name}, rate {racer.lr:g}") for racer in racers]
    for racer in racers:
        check_racer(racer, course)
    start = in_a_row(course.parameters)
    entries = []
    for racer, size in zip(racers, batch_sizes, strict=True):
        set_weights(course.parameters, start)
        entries.append(run_racer(racer, course, max(1, epochs * course.rows // size), rng))
    return tuple(entries)


def batch_racer(size: int, rows: int, lr: float = 0.0) -> Racer:
    """A racer for gradient descent with batches of this size."""
    names = {rows: "gradient descent", 1: "stochastic (1 row)"}
    return Racer(names.get(size, f"mini-batches of {size}"), "SGD", lr, batch_size=size)


def gradient_of(course: NetworkCourse, loss: Any) -> Array:
    for p in course.parameters:
        p.grad = None
    loss.backward()
    return gradient_row(course.parameters)


def mean_square(vectors: list[Array]) -> float:
    return float(np.mean([v @ v for v in vectors]))
