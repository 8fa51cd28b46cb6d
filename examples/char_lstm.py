"""Can a recurrent network learn to write in the style of Shakespeare's sonnets?

What it has read so far it keeps in the state of an LSTM, and nowhere else. The marks to beat: how
uncertain the next character is to those who have only counted. Five sonnets are kept from it: when
the loss on them stops falling, it learns the others by heart.
"""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import trange

from tinygrad_edu import Tensor, functional, manual_seed, nn, no_grad, optim
from tinygrad_edu.losses import cross_entropy

TEXT = Path(__file__).with_name("sonnets.txt").read_text(encoding="utf-8").partition("\n\n")[2]
HIDDEN, BATCH, LENGTH, LEARNING_RATE, TEMPERATURE = 256, 32, 64, 1e-2, 0.7
MARKS = ("all alike", "by frequency", "by frequency after the one before")


class Writer(nn.Module):
    """Characters (N, T) -> scores of the character after each, (N, T, V), and the state."""

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


def picture(losses: list[float], new: dict[int, float], marks: list[float], samples) -> Figure:
    fig = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    ax, page = fig.subplots(1, 2)
    ax.plot(losses, color="#0072B2", linewidth=1, label="the sonnets it reads")
    ax.plot(*zip(*new.items()), "o-", color="#009E73", label="five sonnets it has never read")
    ax.legend()
    for name, nats in zip(MARKS, marks, strict=True):
        ax.axhline(nats, color="#D55E00", linestyle="--")
        ax.text(len(losses), nats + 0.02, name, ha="right", va="bottom")
    ax.set(xlabel="step", ylabel="cross-entropy per character (nats)", ylim=(1, 5.2))
    page.axis("off")
    lines = "\n\n".join(f"Step {step}:\n\n{x}" for step, x in samples.items()).splitlines()
    text = "\n".join(textwrap.fill(line, 64) for line in lines)
    page.text(0, 1, text, family="monospace", size=8, va="top", parse_math=False)
    return fig


def main(out: Path = Path("out/char_lstm"), steps: int = 450) -> tuple[list[float], dict, dict]:
    manual_seed(0)
    rng = np.random.default_rng(1)
    alphabet, codes = np.unique(list(TEXT), return_inverse=True)
    x, new = codes[:-3072], codes[-3072:].reshape(-1, LENGTH)  # the last five sonnets
    n = len(alphabet)
    pairs = np.bincount(n * x[:-1] + x[1:], minlength=n * n).reshape(n, n)
    p_single, p_next = np.bincount(x) / len(x), pairs / pairs.sum(axis=1, keepdims=True)
    marks = [np.log(n), -np.mean(np.log(p_single[x])), -np.mean(np.log(p_next[x[:-1], x[1:]]))]
    model = Writer(n)
    optimizer = optim.AdamW(model.parameters(), LEARNING_RATE)
    scheduler = optim.lr_scheduler.WarmupCosineLR(optimizer, steps // 10, steps)
    losses, new_losses, samples = [], {}, {}
    for step in trange(1, steps + 1, desc="reading", disable=None):
        window = x[rng.integers(len(x) - LENGTH, size=(BATCH, 1)) + np.arange(LENGTH + 1)]
        optimizer.zero_grad()
        loss = cross_entropy(model(window[:, :-1])[0], window[:, 1:])
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step in (1, steps // 9, steps):
            samples[step] = write(model, alphabet, "Shall I ", 300, rng)
        if step % (steps // 9) == 0:
            with no_grad():
                new_losses[step] = cross_entropy(model(new[:, :-1])[0], new[:, 1:]).item()
    out.mkdir(parents=True, exist_ok=True)
    picture(losses, new_losses, marks, samples).savefig(out / "char_lstm.png")
    nats = f"{np.mean(losses[-20:]):.2f} nats, in sonnets never read {new_losses[steps]:.2f}"
    print(f"{samples[steps]}\n\n{nats}\npicture: {out / 'char_lstm.png'}")
    return losses, new_losses, samples


if __name__ == "__main__":
    main()
