"""Early stopping on lists of losses."""

import numpy as np
from checking import AnswerError, compare

HINTS = [
    "The loss of an epoch is losses[epoch - 1]. It is a new minimum if it is below the loss of the "
    "best epoch so far.",
    "The second condition asks how many epochs have gone by since the best one: epoch - best. Is "
    "that at least `patience`?",
]

ANSWER = """
def early_stopping(losses, patience):
    best = 1
    for epoch in range(1, len(losses) + 1):
        if losses[epoch - 1] < losses[best - 1]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return len(losses), best
"""

MISTAKES = [
    ("losses[epoch - 1] < losses[best - 1]", "losses[epoch - 1] < losses[epoch - 2]", "one before"),
    (
        "losses[epoch - 1] < losses[best - 1]",
        "losses[epoch - 1] <= losses[best - 1]",
        "no new minimum",
    ),
    ("epoch - best >= patience", "epoch - best > patience", "too late"),
    ("epoch - best >= patience", "epoch >= patience", "since the best"),
    ("return epoch, best", "return epoch, epoch", "weights of the best"),
    ("return epoch, best", "return epoch, losses[best - 1]", "the epoch, and not its loss"),
    ("return len(losses), best", "return len(losses) - 1, best - 1", "from 1"),
    ("return len(losses), best", "print(len(losses), best)", "two things"),
    ("return len(losses), best", "return best, len(losses)", "The stop comes first"),
    ("epoch - best >= patience", "epoch - best >= patience - 1", "too early"),
    ("epoch - best >= patience", "False", "never stops"),
]

WAITS = [0.5, 0.4, 0.3, 0.35, 0.32, 0.31, 0.34, 0.2]


def check(names):
    stop = names.function("early_stopping")
    said = "Waiting counts the epochs since the best one, and here each is the best so far."
    zero = {4: "Count epochs from 1, as a person does."}
    expect(stop, [9.0, 8.0, 7.0, 6.0, 5.5], 2, (5, 5), zero, said)
    yield "a training that gets better runs to its end"
    said = "An epoch is a new minimum if it is below the *best* so far, not below the one before."
    swapped = {1: "The stop comes first, then the epoch of the weights."}
    expect(stop, [1.0, 3.0, 2.0], 9, (3, 1), swapped, said)
    yield "a new minimum is below all losses before"
    expect(stop, [2.0, 2.0, 2.0], 9, (3, 1), {}, "An equal loss is no new minimum.")
    yield "an equal loss is no new minimum"
    wrong = {
        5: "That is one epoch too early: epochs 4 and 5 are only two.",
        7: "That is one epoch too late: after epoch 6 three epochs have brought nothing.",
        8: "It never stops: after epoch 6 three epochs have brought nothing.",
    }
    expect(stop, WAITS, 3, (6, 3), wrong, "Take the weights of the best epoch.")
    yield "it stops in time, and takes the best weights"


def expect(stop, losses, patience, wanted, reasons, because):
    out = stop(list(losses), patience)
    if not (isinstance(out, tuple | list | np.ndarray) and len(out) == 2):
        raise AnswerError(
            "early_stopping returns two things: the epoch after which to stop, and the epoch whose "
            "weights to take."
        )
    what = f"for the losses {losses}, with patience {patience}, the epoch"
    compare(f"{what} of the stop", out[0], wanted[0], reasons, because)
    loss = {losses[wanted[1] - 1]: "That is the loss there. Return the epoch, and not its loss."}
    compare(f"{what} of the weights", out[1], wanted[1], loss, because)
