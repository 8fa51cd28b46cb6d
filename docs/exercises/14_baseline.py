"""Beat a baseline: choose the rate, the width and the schedule of a network.

A network with one hidden layer of `width` neurons learns sin(1.5 x) from 80 noisy points: 300 steps
of SGD with momentum 0.9, ten points in each. With the rate 0.03, 16 neurons and no schedule its
loss on new points is 0.032, the mean of three seeds. Bring it below 0.023. Replace each `...`.
"""

lr = ...  # the learning rate
width = ...  # of the hidden layer, at most 32


def schedule(done):
    """By what the rate is multiplied when the share `done` of all steps is over (from 0 to 1)."""
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
