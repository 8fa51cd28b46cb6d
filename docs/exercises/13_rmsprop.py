"""Write one step of RMSprop.

s is a moving average of the squared gradients: the share alpha of the old s, and the rest of g².
The step is lr times g, divided by (the root of the new s) + eps. Replace the two `...`.
"""


def rmsprop_step(w, g, s, lr=0.01, alpha=0.99, eps=1e-8):
    """Return the new weight and the new average."""
    s = ...
    w = ...
    return w, s


if __name__ == "__main__":
    from checking import run

    run(__file__)
