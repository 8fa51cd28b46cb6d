"""Predict three slopes in your head, then write the function that measures a slope.

Replace each `...`. First the three numbers:
"""

slope_of_line = ...  # the slope of 7 - 3 x, at x = 4
slope_of_square = ...  # the slope of (x - 2)², at x = -1
slope_of_cube = ...  # the slope of x³, at x = 2


def measured_slope(f, x, h=0.0001):
    """The slope of f at x by a two-sided difference: nudge x by h to both sides."""
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
