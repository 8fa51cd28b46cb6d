"""A small training that goes on where it was killed: python killed_training.py FOLDER [MOMENT].

It prints a line before it trains, and writes FOLDER/weights.npz at its end. With a MOMENT it kills
itself inside a save: "half", "written" or "renamed", in the save of the number that follows it.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.rng import default_rng
from tinygrad_edu.train import checkpoint


class Noise(nn.Module):
    """Draws from the package's generator, as dropout does."""

    def __call__(self, x):
        return x + 0.1 * default_rng().standard_normal(x.shape) if self.training else x


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_inside_save(moment, number):
    """Let save number `number` end in the middle: of the file, before or after its new name."""
    saves = itertools.count(1)
    fsync, replace = os.fsync, os.replace

    def fsync_or_die(file):
        if moment == "half" and next(saves) == 2 * number - 1:  # the file, then the folder
            os.ftruncate(file, os.fstat(file).st_size // 2)
            kill()
        fsync(file)

    def replace_or_die(old, new):
        now = moment != "half" and next(saves) == number
        if now and moment == "written":
            kill()
        replace(old, new)
        if now:
            kill()

    checkpoint.os.fsync, checkpoint.os.replace = fsync_or_die, replace_or_die


def main(folder, moment=None, number=1):
    if moment:
        kill_inside_save(moment, int(number))
    manual_seed(0)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((150, 4))
    y = np.sin(x).sum(axis=1, keepdims=True)
    (x, y), validation = train.split(x, y, rng=rng)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), Noise(), nn.Linear(8, 1))
    adam = optim.Adam(model.parameters(), lr=0.02)
    ema = optim.EMA(model.parameters(), decay=0.9)
    best = train.BestWeights(model)
    print("training", flush=True)
    history = train.fit(
        model,
        losses.mse_loss,
        adam,
        train.batches(x, y, 16, rng=rng),
        validation,
        epochs=120,
        callbacks=[best],
        scheduler=optim.lr_scheduler.CosineAnnealingLR(adam, 120, eta_min=0.001),
        before_step=lambda: optim.clip_grad_norm_(model.parameters(), 1.0),
        after_step=ema.update,
        checkpoint=train.Checkpoint(Path(folder) / "run.npz", every=3, ema=ema),
        progress=False,
    )
    train.save(Path(folder) / "weights.npz", model=model, best=best, ema=ema, history=history)


if __name__ == "__main__":
    main(*sys.argv[1:])
