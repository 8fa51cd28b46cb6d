"""Why squared error for numbers and cross-entropy for classes, and what if one swaps them?

We use both losses for both problems. One network reads digits with many learning rates, from a new
start, and from a start that is confidently wrong because it has learned wrong labels. Another
network learns a sine, as a number or as one of 20 bins. The slopes of the losses explain the
results, so we draw them first.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.functional import one_hot, softmax
from tinygrad_edu.viz.plots.losses import ERROR, LOGIT, PROBABILITY, plot_losses
from tinygrad_edu.viz.plots.style import COLORS, line, panels, points

EPOCHS, RATES = 10, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
X, LEVELS = np.linspace(-3, 3, 200)[:, None], np.linspace(-1.3, 1.3, 20)


def squared_error(logits, y):
    """The mean over the rows of |p - one_hot(y)|², with p = softmax(logits)."""
    return ((softmax(logits) - one_hot(y, 10)) ** 2).sum(axis=-1).mean()


def learn(model, loss, lr, x, y):
    """The accuracy on held-out digits after each epoch."""
    rng, sgd = np.random.default_rng(0), optim.SGD(model.parameters(), lr=lr)
    data, held_out = train.split(x, y, validation=0.25, rng=rng)
    data = train.batches(*data, batch_size=64, rng=rng)
    options = {"epochs": EPOCHS, "metrics": {"accuracy": train.accuracy}, "progress": False}
    return train.fit(model, loss, sgd, data, held_out, **options)["accuracy"]


def read_digits():
    """{(loss, start): the accuracies, (rates, epochs)}"""
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean(axis=0)) / 16
    fresh = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    wrong = deepcopy(fresh)
    learn(wrong, losses.cross_entropy, 1.0, x, (y + 1) % 10)
    both = {"cross-entropy": losses.cross_entropy, "squared error": squared_error}
    return {
        (name, start): np.array([learn(deepcopy(model), loss, lr, x, y) for lr in RATES])
        for name, loss in both.items()
        for start, model in {"fresh": fresh, "confidently wrong": wrong}.items()
    }


def follow_sine():
    """Points of a noisy sine, and {loss: predictions at X}; for bins, the most probable bin."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (40, 1))
    y = np.sin(x) + rng.normal(0, 0.1, x.shape)

    def fitted(outputs, loss, target):
        model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, outputs))
        adam = optim.Adam(model.parameters(), lr=0.03)
        train.fit(model, loss, adam, (x, target), epochs=500, progress=False)
        return model(X).data

    bins = fitted(20, losses.cross_entropy, abs(y - LEVELS).argmin(axis=1))
    number = fitted(1, losses.mse_loss, y)[:, 0]
    return x, y, {"cross-entropy of 20 bins": LEVELS[bins.argmax(1)], "squared error": number}


def main(out=Path("out/losses_compared")):
    out.mkdir(parents=True, exist_ok=True)
    plot_losses(ERROR, xlabel="error: prediction - target", path=out / "losses_numbers.png")
    plot_losses(PROBABILITY, 0.02, 1, "probability of the true class", out / "losses_p.png")
    plot_losses(LOGIT, -9, 9, "logit of the true class", out / "losses_logits.png")

    manual_seed(0)
    digits, (x, y, sine) = read_digits(), follow_sine()
    off = {name: np.mean((p - np.sin(X[:, 0])) ** 2) ** 0.5 for name, p in sine.items()}
    epochs, rates, curves = panels("ab;cc", 9, 8)
    for k, ((loss, start), accuracy) in enumerate(digits.items()):
        look = points(k // 2) | {"linestyle": ("-", "--")[k % 2], "label": f"{loss}, {start} start"}
        epochs.plot(range(1, EPOCHS + 1), accuracy[2], **look)
        rates.semilogx(RATES, accuracy[:, -1], **look)
        print(look["label"], dict(zip(RATES, accuracy[:, -1].round(3).tolist(), strict=True)))
    epochs.set(title="Digits, at rate 1", xlabel="epoch", ylabel="share read right", ylim=(0, 1))
    rates.set(title="Digits, after 10 epochs", xlabel="learning rate", ylim=(0, 1))
    curves.set(title="A sine, from 40 points with noise", xlabel="x", ylabel="prediction")
    curves.plot(x, y, ".", color=COLORS["grey"])
    for k, (name, p) in enumerate(sine.items()):
        curves.plot(X, p, **line(k), label=f"{name}: rms error {off[name]:.3f}")
    curves.legend()
    fig = curves.figure
    fig.legend(*rates.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    fig.savefig(out / "losses_compared.png")
    print(*(f"sine, {name}: rms error {x:.3f}" for name, x in off.items()), f"see {out}", sep="\n")
    return digits, off


if __name__ == "__main__":
    main()
