"""Choose how large the weights of a deep network are at the start.

A network has fifty layers of relu(x @ W), with n neurons in each. The numbers in W are drawn with
the standard deviation that your function returns. Choose it so that the mean square of what leaves
a layer is the same after every layer, for every n. Replace the `...`.
"""


def sigma(n):
    """The standard deviation of the weights of a layer with n inputs."""
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
