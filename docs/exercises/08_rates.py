"""Predict what becomes of a descent, and say at which rate it turns bad.

f(x) = 3 (x + 1)² has the slope 6 (x + 1), and the curvature 6. A descent starts at x = 1. Each
step multiplies the distance from the minimum, x + 1, by the same factor. Replace each `...`.
"""


def factor(lr):
    """By what does one step with this rate multiply the distance x + 1?"""
    return ...


# What becomes of 60 steps: "crawls", "converges", "oscillates" or "diverges"?
VERDICTS = {
    0.001: ...,
    0.1: ...,
    0.3: ...,
    1 / 3: ...,
    0.4: ...,
}


def limit_of_quadratic(curvature):
    """The rate at which a descent on a quadratic neither comes closer nor goes away."""
    return ...


def limit_of_quartic(start):
    """The same for x⁴, which has the slope 4 x³, from this start."""
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
