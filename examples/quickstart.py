"""Can a small network learn to read handwritten digits in a few seconds, and how does it learn?

A multilayer perceptron reads scikit-learn's 1,797 real digits of 8 by 8 pixels. It learns from
three quarters of them, and we test it on the rest, which it has never seen. Then we look inside: is
the gradient right, how does it flow, how did the loss fall, which digits are misread?
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tinygrad_edu import Tensor, Value, draw, gradcheck, manual_seed, nn, no_grad, optim
from tinygrad_edu.losses import cross_entropy
from tinygrad_edu.progress import Progress
from tinygrad_edu.viz.plots import plot_images, plot_learning
from tinygrad_edu.viz.plots.style import panels

EPOCHS, BATCH, LEARNING_RATE = 60, 32, 2e-3


def train(model, x, y, rng):
    """Adam on noisy mini-batches with a falling learning rate; returns the loss of each step."""
    optimizer = optim.Adam(model.parameters())
    losses = []
    with Progress(True, EPOCHS, unit="epoch") as progress:
        for epoch in range(EPOCHS):
            optimizer.lr = LEARNING_RATE * (1 - epoch / EPOCHS)
            for batch in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
                noisy = x[batch] + rng.normal(0, 0.3, x[batch].shape)
                loss = cross_entropy(model(noisy), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            progress.step()
            if (epoch + 1) % 10 == 0:
                progress.tell(f"epoch {epoch + 1} of {EPOCHS}: loss {losses[-1]:.4f}")
    return losses


def save_pictures_of_the_gradient(model, x, y, out):
    w, b, z = Value(2.0, name="w"), Value(-0.5, name="b"), Value(0.3, False, name="x")
    neuron = (w * z + b).tanh()
    neuron.name = "y"
    draw(neuron).save(out / "one_neuron.svg")
    loss = cross_entropy(model(Tensor(x, name="digits")), y)
    loss.name = "loss"
    draw(loss).save(out / "whole_loss.svg")


def plot(losses, x, y, read, path):
    left, right = panels("ab", 8, 4, width_ratios=(3, 2))
    plot_learning(
        losses, mean=50, ylabel="cross-entropy (nats)", title="The loss while learning", ax=left
    )
    wrong = np.flatnonzero(read != y)
    captions = [f"{y[i]}, read as {read[i]}" for i in wrong[:12]]
    plot_images(x[wrong[:12]].reshape(-1, 8, 8), captions, columns=3, ax=right,
                title=f"Misread: {len(wrong)} of {len(y)} digits\nthat it never saw")  # fmt: skip
    right.figure.savefig(path)


def main(out=Path("out/quickstart")):
    out.mkdir(parents=True, exist_ok=True)
    manual_seed(0)
    pixels, digits = load_digits(return_X_y=True)
    split = train_test_split(pixels / 16, digits, test_size=0.25, random_state=0, stratify=digits)
    x, x_new, y, y_new = split
    model = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    print(model)

    def loss_of_last_layer(weight, bias):
        return cross_entropy(hidden @ weight + bias, y[:20])

    *hidden_layers, last = model.layers
    hidden = nn.Sequential(*hidden_layers)(x[:20]).detach()
    print(gradcheck(loss_of_last_layer, last.weight, last.bias))

    losses = train(model, x, y, np.random.default_rng(0))
    with no_grad():
        read = np.argmax(model(x_new), axis=1)
    accuracy = np.mean(read == y_new)
    print(f"read {accuracy:.1%} of {len(y_new)} held-out digits right, last loss {losses[-1]:.4f}")
    save_pictures_of_the_gradient(model, x[:20], y[:20], out)
    plot(losses, x_new, y_new, read, out / "learning.png")
    print(f"pictures: {', '.join(str(path) for path in sorted(out.iterdir()))}")
    return accuracy


if __name__ == "__main__":
    main()
