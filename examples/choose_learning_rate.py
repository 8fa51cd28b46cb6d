"""How does one choose a learning rate: try many, let one grow, or measure the limit?

A network learns to read scikit-learn's digits, by gradient descent on mini-batches. The sweep
trains it with eleven learning rates, each with three seeds. The range test needs one training of a
hundred steps, in which the rate grows. The stability limit 2 / sharpness needs no training at all,
but it changes with the weights: we measure it again after each epoch.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.lab import sweep
from tinygrad_edu.lab.curvature import stable_learning_rate
from tinygrad_edu.lab.range_test import lr_range_test
from tinygrad_edu.viz.plots import plot_range_test, plot_sweep
from tinygrad_edu.viz.plots.style import label_ends, line, mark_x, panels

RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
X, Y = load_digits(return_X_y=True)
(X, Y), HELD_OUT = train.split(X / 16, Y, 0.25, rng=np.random.default_rng(0))


def network():
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def learn(model, lr, after_epoch=()):
    return train.fit(
        model, losses.cross_entropy, optim.SGD(model.parameters(), lr=lr),
        train.batches(X, Y, batch_size=64), HELD_OUT, epochs=20,
        metrics={"accuracy": train.accuracy}, callbacks=after_epoch, progress=False,
    )  # fmt: skip


def run(lr, seed):
    """One run of the sweep. The sweep uses the seed for the weights and the batches."""
    history = learn(network(), lr)
    return {"loss": history.train_loss, "accuracy": history["accuracy"][-1]}


def limits_while_learning(lr):
    """2 / sharpness on all training data, at the start and after each epoch."""
    manual_seed(0)
    model, limits = network(), []

    def loss():
        return losses.cross_entropy(model(X), Y)

    def measure(_=None):
        limits.append(stable_learning_rate(loss, model.parameters(), tolerance=0.01))

    measure()
    learn(model, lr, after_epoch=[measure])
    return limits


def plot(swept, test, limits):
    above, middle, below = panels("a;b;c", 8, 9.5, height_ratios=(4, 3, 3))
    start = next(iter(limits.values()))[0]  # the same in both
    plot_sweep(swept, ax=above)
    above.set(ylabel="loss of the last epoch", title="Sweep: 20 epochs with each rate")
    above.legend(fontsize=11, frameon=False, loc="lower left", labelspacing=0.3)
    mark_x(above, start, f"2 / sharpness at the start: {start:.2g}")
    plot_range_test(test, ax=middle)
    middle.set(title="Range test: one training, the rate grows from step to step")
    for k, (lr, curve) in enumerate(limits.items()):
        below.plot(curve, **line(k), marker=".", label=f"2 / sharpness at rate {lr:g}")
        below.plot([lr] * len(curve), **line(k) | {"linewidth": 1}, label=f"rate {lr:g}")
    below.set(xlabel="epoch", ylabel="learning rate", yscale="log", xticks=range(0, 21, 5))
    below.set(title="The limit 2 / sharpness moves while a network learns")
    label_ends(below)
    return above.figure


def main(out=Path("out/choose_learning_rate"), jobs=-1):
    print(swept := sweep(run, lr=RATES, seeds=3, jobs=jobs))
    best = swept.best("loss").settings["lr"]

    manual_seed(0)
    sgd = optim.SGD((model := network()).parameters(), lr=best)
    data = train.batches(X, Y, batch_size=64)
    test = lr_range_test(model, losses.cross_entropy, sgd, data, start=1e-4)
    limits = {lr: limits_while_learning(lr) for lr in (best, best / 10)}
    print(f"range test: {test}\n2 / sharpness, at the start and at the end of a training")
    for lr, curve in limits.items():
        print(f"    with learning rate {lr:g}: {curve[0]:.2g} and {curve[-1]:.2g}")

    out.mkdir(parents=True, exist_ok=True)
    plot(swept, test, limits).savefig(out / "choose_learning_rate.png")
    print(f"picture: {out / 'choose_learning_rate.png'}")
    return swept, test, limits


if __name__ == "__main__":
    main()
