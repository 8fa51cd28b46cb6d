"""Early stopping on lists of losses."""

from checking import compare

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
]

WAITS = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 3.4, 2.0]


def check(names):
    stop = names["early_stopping"]
    said = "Waiting counts the epochs since the best one, and here each is the best so far."
    expect(stop, [4.0, 3.0, 2.0, 1.0], 2, (4, 4), {}, said)
    yield "a training that gets better runs to its end"
    said = "An epoch is a new minimum if it is below the *best* so far, not below the one before."
    expect(stop, [1.0, 3.0, 2.0], 9, (3, 1), {}, said)
    yield "a new minimum is below all losses before"
    expect(stop, [2.0, 2.0, 2.0], 9, (3, 1), {}, "An equal loss is no new minimum.")
    yield "an equal loss is no new minimum"
    late = {7: "That is one epoch too late: after epoch 6 three epochs have brought nothing."}
    expect(stop, WAITS, 3, (6, 3), late, "Take the weights of the best epoch.")
    yield "it stops in time, and takes the best weights"


def expect(stop, losses, patience, wanted, reasons, because):
    out = stop(losses, patience)
    what = f"for the losses {losses}, with patience {patience}, the epoch"
    compare(f"{what} of the stop", out[0], wanted[0], reasons, because)
    compare(f"{what} of the weights", out[1], wanted[1], because=because)
