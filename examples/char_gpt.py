"""Can a transformer learn to write in the style of Shakespeare's sonnets?

It keeps no state. Each character looks back at the characters before it, and attention decides
which of them matter. First the network learns what a table of pairs of characters contains: which
one often follows which. Then its heads learn where to look, and the loss falls below the table's.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, functional, manual_seed, nn, no_grad, optim
from tinygrad_edu.losses import cross_entropy
from tinygrad_edu.progress import Progress
from tinygrad_edu.viz.plots import plot_learning
from tinygrad_edu.viz.plots.style import panels

TEXT = Path(__file__).with_name("sonnets.txt").read_text(encoding="utf-8").partition("\n\n")[2]
WIDTH, HEADS, LENGTH, BATCH, LEARNING_RATE, TEMPERATURE = 96, 4, 64, 16, 5e-3, 0.6
LINE = "Shall I compare thee?"


class Writer(nn.Module):
    """Characters (N, T) -> scores (N, T, V) of the next character at each position."""

    def __init__(self, characters: int) -> None:
        self.token = nn.Embedding(characters, WIDTH, dtype=np.float32)
        self.position = nn.Embedding(LENGTH, WIDTH, dtype=np.float32)
        for table in (self.token, self.position):
            nn.init.normal_(table.weight, std=0.1)
        options = {"batch_first": True, "norm_first": True, "dtype": np.float32}
        block = nn.TransformerEncoderLayer
        self.blocks = [block(WIDTH, HEADS, 4 * WIDTH, 0.0, **options) for _ in range(2)]
        self.norm = nn.LayerNorm(WIDTH, dtype=np.float32)
        self.head = nn.Linear(WIDTH, characters, dtype=np.float32)

    def __call__(self, x: np.ndarray) -> Tensor:
        h = self.token(x) + self.position(np.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h, is_causal=True)
        return self.head(self.norm(h))


@no_grad()
def write(model: Writer, alphabet: np.ndarray, text: str, n: int, rng) -> str:
    """`text` and n more characters, each drawn from softmax(scores / TEMPERATURE)."""
    for _ in range(n):
        scores = model(np.searchsorted(alphabet, [list(text[-LENGTH:])])).data[0, -1]
        text += rng.choice(alphabet, p=functional.softmax(scores.astype(float) / TEMPERATURE))
    return text


def picture(losses: list[float], table: float, weights: np.ndarray, path: Path) -> None:
    left, right = panels("ab", 8, 4)
    title = f"It ends at {np.mean(losses[-20:]):.2f} nats; no table\nof pairs is below {table:.2f}"
    plot_learning(losses, marks={"table": table}, ylabel="nats per character", title=title, ax=left)
    shares = right.imshow(weights, "Blues", vmin=0, vmax=1)
    right.figure.colorbar(shares, label="share of attention", shrink=0.8)
    for set_ticks in (right.set_xticks, right.set_yticks):
        set_ticks(range(len(LINE)), list(LINE.replace(" ", "␣")), family="monospace")
    right.grid(visible=False)
    right.set(xlabel="is looked at", ylabel="looks back", title="A head that looks one back")
    right.figure.savefig(path)


def main(out: Path = Path("out/char_gpt"), steps: int = 600) -> tuple[list[float], str]:
    manual_seed(0)
    losses, rng = [], np.random.default_rng(0)
    alphabet, x = np.unique(list(TEXT), return_inverse=True)
    model = Writer(n := len(alphabet))
    optimizer = optim.AdamW(model.parameters(), LEARNING_RATE)
    scheduler = optim.lr_scheduler.WarmupCosineLR(optimizer, steps // 10, steps)
    with Progress(True, steps, unit="step") as progress:
        for step in range(1, steps + 1):
            window = x[rng.integers(len(x) - LENGTH, size=(BATCH, 1)) + np.arange(LENGTH + 1)]
            optimizer.zero_grad()
            loss = cross_entropy(model(window[:, :-1]), window[:, 1:])
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            progress.step()
            if step % (steps // 10) == 0:
                progress.tell(f"step {step}: {losses[-1]:.2f} nats per character")
    sample = write(model, alphabet, "My love ", 500, rng)
    h = model.token(np.searchsorted(alphabet, list(LINE))) + model.position(np.arange(len(LINE)))
    h, attention = model.blocks[0].norm1(h), model.blocks[0].self_attn
    _, heads = attention(h, h, h, is_causal=True, average_attn_weights=False)
    head = max(heads.data, key=lambda weights: np.trace(weights, offset=-1))
    pairs = np.bincount(n * x[:-1] + x[1:], minlength=n * n).reshape(n, n)
    table = -np.mean(np.log((pairs / pairs.sum(axis=1, keepdims=True))[x[:-1], x[1:]]))
    out.mkdir(parents=True, exist_ok=True)
    picture(losses, table, head, out / "char_gpt.png")
    print(f"{sample}\n\nthe best table of pairs: {table:.2f}; picture: {out / 'char_gpt.png'}")
    return losses, sample


if __name__ == "__main__":
    main()
