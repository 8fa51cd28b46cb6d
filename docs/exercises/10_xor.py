"""Build a network that learns exclusive or, with at most 9 parameters.

The network gets two inputs and gives one score. The check builds it from up to ten random starts,
trains each on the four points, and counts the parameters. One start that learns is enough.
Replace the `...`. You find layers in `nn`, such as nn.Linear(2, 1), nn.Tanh() and nn.Sequential.
"""

from tinygrad_edu import nn


def build():
    return nn.Sequential(...)


if __name__ == "__main__":
    from checking import run

    run(__file__)
