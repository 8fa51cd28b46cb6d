"""Can a recurrent network learn to write in the style of Shakespeare's sonnets?

The network keeps all that it has read in the state of an LSTM. It should beat models that only
count characters, or pairs of them. Five sonnets are held out: when the loss on them stops falling,
the network starts to learn the other sonnets by heart.
"""

import textwrap
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, functional, manual_seed, nn, no_grad, optim
from tinygrad_edu.losses import cross_entropy
from tinygrad_edu.progress import Progress
from tinygrad_edu.viz.plots import plot_learning
from tinygrad_edu.viz.plots.style import figure, tidy

TEXT = Path(__file__).with_name("sonnets.txt").read_text(encoding="utf-8").partition("\n\n")[2]
HIDDEN, BATCH, LENGTH, LEARNING_RATE, TEMPERATURE = 256, 32, 64, 1e-2, 0.7


class Writer(nn.Module):
    """Characters (N, T) -> scores (N, T, V) of the next character at each position, and state."""

    def __init__(self, characters: int) -> None:
        self.embedding = nn.Embedding(characters, 32, dtype=np.float32)
        self.lstm = nn.LSTM(32, HIDDEN, batch_first=True, dtype=np.float32)
        self.head = nn.Linear(HIDDEN, characters, dtype=np.float32)

    def __call__(self, x: np.ndarray, state=None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, state = self.lstm(self.embedding(x), state)
        return self.head(h), state


@no_grad()
def write(model: Writer, alphabet: np.ndarray, start: str, n: int, rng) -> str:
    """`start` and n more characters, each drawn from softmax(scores / TEMPERATURE)."""
    text, state = start, None
    for _ in range(n):
        unread = list(text if state is None else text[-1])
        scores, state = model(np.searchsorted(alphabet, [unread]), state)
        scores = scores.data[0, -1].astype(float)
        text += rng.choice(alphabet, p=functional.softmax(scores / TEMPERATURE))
    return text


def picture(losses: list[float], new: dict[int, float], marks: dict, samples: dict, path: Path):
    above, below = figure(8, 6).subfigures(2, 1, height_ratios=(3, 2))
    curves = {"sonnets it reads": losses, "unread sonnets": new}
    title = f"The loss on unread sonnets is lowest at step {min(new, key=new.get)}"
    ax = tidy(above.subplots())
    plot_learning(curves, marks=marks, ylabel="nats per character", title=title, ax=ax)
    for ax, step in zip(below.subplots(1, len(samples)), samples, strict=True):
        ax.axis("off")
        ax.set_title(f"It writes, at step {step}", size=12)
        lines = [x for y in samples[step].splitlines() for x in textwrap.wrap(y, 36) or [""]]
        ax.text(0, 1, "\n".join(lines[:12]), va="top", family="monospace", size=7.5)
    above.figure.savefig(path)


def main(out: Path = Path("out/char_lstm"), steps: int = 450) -> tuple[list[float], dict, dict]:
    manual_seed(0)
    rng = np.random.default_rng(1)
    alphabet, codes = np.unique(list(TEXT), return_inverse=True)
    x, new = codes[:-3072], codes[-3072:].reshape(-1, LENGTH)  # the last five sonnets
    model = Writer(n := len(alphabet))
    pairs = np.bincount(n * x[:-1] + x[1:], minlength=n * n).reshape(n, n)
    p_single, p_next = np.bincount(x) / len(x), pairs / pairs.sum(axis=1, keepdims=True)
    counted = {"nothing": 1 / n, "characters": p_single[x], "their pairs": p_next[x[:-1], x[1:]]}
    marks = {f"counting {name}": -np.mean(np.log(p)) for name, p in counted.items()}
    optimizer = optim.AdamW(model.parameters(), LEARNING_RATE)
    scheduler = optim.lr_scheduler.WarmupCosineLR(optimizer, steps // 10, steps)
    losses, new_losses, samples = [], {}, {}
    with Progress(True, steps, unit="step") as progress:
        for step in range(1, steps + 1):
            window = x[rng.integers(len(x) - LENGTH, size=(BATCH, 1)) + np.arange(LENGTH + 1)]
            optimizer.zero_grad()
            loss = cross_entropy(model(window[:, :-1])[0], window[:, 1:])
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            progress.step()
            if step in (1, steps // 9, steps):
                samples[step] = write(model, alphabet, "Shall I ", 300, rng)
            if step % (steps // 9) == 0:
                with no_grad():
                    new_losses[step] = cross_entropy(model(new[:, :-1])[0], new[:, 1:]).item()
                progress.tell(f"step {step}: {losses[-1]:.2f} nats, new {new_losses[step]:.2f}")
    out.mkdir(parents=True, exist_ok=True)
    picture(losses, new_losses, marks, samples, out / "char_lstm.png")
    nats = f"{np.mean(losses[-20:]):.2f} nats, in unread sonnets {new_losses[steps]:.2f}"
    print(f"{samples[steps]}\n\n{nats}\npicture: {out / 'char_lstm.png'}")
    return losses, new_losses, samples


if __name__ == "__main__":
    main()
