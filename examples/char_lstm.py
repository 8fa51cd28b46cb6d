"""Can a recurrent network learn to write in the style of the source code of this package?

What it has read so far it keeps in the state of an LSTM, and nowhere else. The marks to beat: how
uncertain the next character is to those who have only counted. To write, it draws from its guesses.
"""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import trange

import tinygrad_edu
from tinygrad_edu import Tensor, functional, manual_seed, nn, no_grad, optim
from tinygrad_edu.losses import cross_entropy

HIDDEN, BATCH, LENGTH, LEARNING_RATE, TEMPERATURE = 256, 32, 64, 1e-2, 0.6
INDENT, MARKS = " " * 4, ("all alike", "by frequency", "by frequency after the one before")


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
    return text.replace("\t", INDENT)


def picture(losses: list[float], marks: list[float], samples: dict[int, str]) -> Figure:
    fig = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    ax, page = fig.subplots(1, 2)
    ax.plot(losses, color="#0072B2", linewidth=1)
    for name, nats in zip(MARKS, marks, strict=True):
        ax.axhline(nats, color="#D55E00", linestyle="--")
        ax.text(len(losses), nats + 0.02, name, ha="right", va="bottom")
    ax.set(xlabel="step", ylabel="cross-entropy per character (nats)", ylim=(1, 5.2))
    page.axis("off")
    texts = [f"After {step} steps:\n\n{text}" for step, text in samples.items()]
    wrapped = re.sub("(.{64})", r"\1\n", "\n\n\n".join(texts))
    page.text(0, 1, wrapped, family="monospace", size=8, va="top", parse_math=False)
    return fig


def main(out: Path = Path("out/char_lstm"), steps: int = 450) -> tuple[list[float], dict]:
    manual_seed(0)
    rng = np.random.default_rng(0)
    files = sorted(Path(tinygrad_edu.__file__).parent.rglob("*.py"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files).replace(INDENT, "\t")
    alphabet, x = np.unique(list(text), return_inverse=True)
    n = len(alphabet)
    pairs = np.bincount(n * x[:-1] + x[1:], minlength=n * n).reshape(n, n)
    p_single, p_next = np.bincount(x) / len(x), pairs / pairs.sum(axis=1, keepdims=True)
    marks = [np.log(n), -np.mean(np.log(p_single[x])), -np.mean(np.log(p_next[x[:-1], x[1:]]))]
    x, new = np.split(x, [len(x) * 9 // 10])
    model = Writer(n)
    optimizer = optim.AdamW(model.parameters(), LEARNING_RATE)
    scheduler = optim.lr_scheduler.WarmupCosineLR(optimizer, steps // 10, steps)
    losses, samples = [], {}
    for step in trange(steps, desc="reading", disable=None):
        if step in (0, steps // 9):
            samples[step] = write(model, alphabet, "def ", 150, rng)
        window = x[rng.integers(len(x) - LENGTH, size=(BATCH, 1)) + np.arange(LENGTH + 1)]
        optimizer.zero_grad()
        loss = cross_entropy(model(window[:, :-1])[0], window[:, 1:])
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    samples[steps] = write(model, alphabet, "def ", 400, rng)
    new = new[: len(new) // 256 * 256].reshape(-1, 256)
    with no_grad():
        new_loss = cross_entropy(model(new[:, :-1])[0], new[:, 1:]).item()
    out.mkdir(parents=True, exist_ok=True)
    picture(losses, marks, samples).savefig(out / "char_lstm.png")
    print(f"{samples[steps]}\n\n{np.mean(losses[-20:]):.2f} nats, in new files {new_loss:.2f}")
    print(f"picture: {out / 'char_lstm.png'}")
    return losses, samples


if __name__ == "__main__":
    main()
