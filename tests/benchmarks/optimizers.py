"""What does a step of Adam cost on top of the best NumPy that somebody would write by hand?

The parameters are one array of float32. By hand there are two steps, both in place, with `out=` and
buffers made beforehand: one over the whole array, one block by block, so that all intermediate
results stay in the cache. The package is compared with the faster of the two. All start from the
same numbers, and must agree to 1e-6 after five steps. Then rounds of the three alternate in one
process: a ratio is the median over rounds of package / by hand, printed with its quartiles.

    python tests/benchmarks/optimizers.py [--check]
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from training_step import alternately

from tinygrad_edu import Tensor, optim

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8
PARAMETERS = [  # shape, at most this many times the step by hand
    ((1_000_000,), 1.5),
    ((1000, 1000), 1.5),
    ((10_000,), 1.5),
]
BLOCKS = 4096, 8192, 16384, 32768

Step = Callable[[], None]


def by_hand(p: np.ndarray, g: np.ndarray, block: int) -> Step:
    """Adam on the flat array p, changed in place; `block` numbers at a time."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    buffer = np.empty(block, p.dtype)
    t = 0

    def step():
        nonlocal t
        t += 1
        size, scale = LR / (1 - BETA1**t), 1 / (1 - BETA2**t) ** 0.5
        for start in range(0, p.size, block):
            part = slice(start, start + block)
            pp, gg, mm, vv = p[part], g[part], m[part], v[part]
            b = buffer[: pp.size]
            np.multiply(gg, 1 - BETA1, out=b)
            mm *= BETA1
            mm += b
            np.multiply(gg, gg, out=b)
            b *= 1 - BETA2
            vv *= BETA2
            vv += b
            np.sqrt(vv, out=b)
            b *= scale
            b += EPS
            np.divide(mm, b, out=b)
            b *= size
            pp -= b

    return step


def by_package(p: Tensor) -> Step:
    return optim.Adam([p], lr=LR, betas=(BETA1, BETA2), eps=EPS).step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    check = parser.parse_args().check
    met = True
    print("parameters     whole µs   blocks µs  (of)    ours µs   ratio  quartiles   limit")
    for shape, limit in PARAMETERS:
        rng = np.random.default_rng(0)
        start, g = rng.standard_normal((2, *shape), dtype=np.float32)
        flat = [start.flatten() for _ in range(len(BLOCKS) + 1)]
        ours = Tensor(start, requires_grad=True)
        ours.grad = g
        sizes = [start.size, *(block for block in BLOCKS)]
        steps = [by_hand(p, g.reshape(-1), n) for p, n in zip(flat, sizes, strict=True)]
        steps.append(by_package(ours))

        for step in steps * 5:
            step()
        for p in flat:
            if not np.allclose(p, ours.data.reshape(-1), atol=1e-6):
                sys.exit(f"the steps differ on {shape}")

        times = alternately(steps, rounds=40)
        whole, *blocks, our_time = np.median(times, axis=0) * 1e6
        best = np.argmin([whole, *blocks])
        low, ratio, high = np.percentile(times[:, -1] / times[:, best], (25, 50, 75))
        print(
            f"{'x'.join(map(str, shape)):15}{whole:8.0f}{min(blocks):12.0f}"
            f"  ({BLOCKS[np.argmin(blocks)]:5}){our_time:9.0f}{ratio:8.2f}"
            f"  {low:.2f}..{high:.2f}{limit:8.1f}"
        )
        met &= bool(ratio <= limit)
    if check and not met:
        sys.exit(1)


if __name__ == "__main__":
    main()
