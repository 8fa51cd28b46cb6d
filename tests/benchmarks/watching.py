"""How much longer does a training take with a live view?

    python tests/benchmarks/watching.py [--seconds 30]

trains a small network. Its steps are short, which is the hardest case: the work for each batch is a
larger share of a short step, and all other work has a fixed share of the time. Other programs on
the machine disturb every clock, so there are three measurements:

- The cost of recording: a training records its numbers in half of its turns of 20 batches, drawn at
  random, and not in the other turns. A slow moment of the machine affects both. Then the same with
  nothing recorded in any turn: this is the error of the measurement itself.
- A page in a browser tab: a process reads the numbers as a page does, but a hundred times as often.
  A hundredth of the time that this costs is the cost of a page.
- All work that is not part of the training is counted where it happens: the processor time of
  norms, planes and pictures; the processor time of the other threads, which delay the training by
  no more than that; and the work for each batch, measured alone. This is hardly disturbed, but it
  does not include effects on caches.
"""

import argparse
import functools
import random
import subprocess
import sys
from collections import defaultdict
from io import BytesIO
from time import perf_counter, process_time, sleep, thread_time

import measure  # first, because it sets the number of threads before NumPy is imported
import numpy as np

from tinygrad_edu import losses, manual_seed, nn, optim, train, viz
from tinygrad_edu.train import live
from tinygrad_edu.viz.pages import monitor
from tinygrad_edu.viz.plots import plot_live

RNG = np.random.default_rng(0)
X = RNG.standard_normal((512, 2))
Y = (np.sum(X**2, axis=1) < 1).astype(int)
BATCH = 32
LISTEN = "import sys, urllib.request\nfor line in urllib.request.urlopen(sys.argv[1]): pass"
TURN, TURNS = 20, 120  # batches in a turn, turns in a round
STARTS = 4  # trainings; the speed also depends on where their arrays lie in memory
OFTEN = 100  # how many times as often as a page the numbers are read
ROUNDS = 9
SPENT = defaultdict(float)  # {part: seconds spent in the methods of Live}


def fit(epochs, history):
    """Train, and return the seconds of a clock, of the process, and of this thread."""
    manual_seed(0)
    hidden = [nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(32, 2))
    adam = optim.Adam(model.parameters(), lr=1e-3)
    before = now()
    train.fit(
        model, losses.cross_entropy, adam, train.batches(X, Y, BATCH), epochs=epochs,
        history=history, progress=False,
    )  # fmt: skip
    return now() - before


def now():
    return np.array([perf_counter(), process_time(), thread_time()])


def history_of(looked_at):
    history = train.History()
    history.live = train.Live() if looked_at else None
    return history


class Switched(train.Live):
    """Records in some turns of TURN batches, and not in others; `rounds` has the ratios of both.

    In each round half of the turns are `on`, in an order drawn at random. Its clock stands still
    in the other turns.
    """

    def __init__(self, seed, idle):
        super().__init__()
        self.random = random.Random(seed)
        self.idle = idle  # record nothing in any turn
        self.batches, self.on, self.worked = 0, False, 0.0
        self.order, self.took, self.rounds = [], {}, []
        self.start = now()

    def batch(self, x, y, loss):
        if self.on and not self.idle:
            super().batch(x, y, loss)
        self.batches += 1
        if self.batches % TURN == 0:
            self.end_turn()

    def end_turn(self):
        took = now() - self.start
        if self.took:
            self.took[self.on].append(took)
        self.worked += took[0] * self.on
        if not self.order:
            self.end_round()
        self.on = self.order.pop()
        self.start = now()

    def end_round(self):
        if self.took:
            on, off = (np.sum(self.took[which], axis=0) for which in (True, False))
            self.rounds.append((on / off)[[0, 2]])
        self.took = {True: [], False: []}
        self.order = [True, False] * (TURNS // 2)
        self.random.shuffle(self.order)

    def clock(self):
        return self.worked + (perf_counter() - self.start[0]) * self.on


def noted(epochs, idle):
    """The additional share of time that recording takes in a training, round by round."""
    rounds = []
    for seed in range(STARTS):
        history = train.History()
        history.live = Switched(seed, idle)
        live.perf_counter = history.live.clock
        fit(epochs, history)
        rounds += history.live.rounds
    live.perf_counter = perf_counter
    return np.transpose(rounds) - 1


def in_a_tab(epochs):
    """The seconds of a training with a page, as `fit` returns them."""
    history = history_of(True)
    with viz.watch(history, browser=False) as watched:
        page = subprocess.Popen([sys.executable, "-c", LISTEN, watched.url + "numbers"])
        while not watched.streams:
            sleep(0.01)
        found = fit(epochs, history)
    page.wait()
    return found


def page(epochs):
    """The additional share of time that a page costs a training, for each round."""
    shares, usual = [], monitor.EVERY
    for i in range(ROUNDS):
        seconds = {}
        for often in (False, True)[:: 1 if i % 2 else -1]:
            monitor.EVERY = usual / OFTEN if often else usual
            seconds[often] = in_a_tab(epochs) if often else fit(epochs, history_of(True))
        shares.append((seconds[True] / seconds[False] - 1)[:2] / OFTEN)
    monitor.EVERY = usual
    return np.transpose(shares)


def counted(name, method):
    """The method, with its seconds added to SPENT[name]."""

    @functools.wraps(method)
    def timed(*arguments):
        before = thread_time()
        try:
            return method(*arguments)
        finally:
            SPENT[name] += thread_time() - before

    return timed


def in_a_notebook(epochs):
    history = history_of(True)
    history.live.draw = counted(
        "pictures", lambda: plot_live(history).savefig(BytesIO(), format="png")
    )
    return fit(epochs, history)


def of_each_batch():
    """The seconds of the work for each batch if nothing else is due."""
    history = history_of(True)
    fit(10, history)
    history.live.due, times = float("inf"), []
    for _ in range(20):
        before = perf_counter()
        for _ in range(1000):
            history.live.batch(X, Y, 1.0)
        times.append((perf_counter() - before) / 1000)
    return min(times)


def tell(what, ratios):
    for kind, values in zip(("time", "processor time"), ratios, strict=True):
        low, middle, high = measure.quartiles(100 * values)
        mean, error = 100 * np.mean(values), 100 * np.std(values, ddof=1) / len(values) ** 0.5
        quartiles = f"median {middle:.2f} ({low:.2f} to {high:.2f})"
        print(f"  {what}, {kind}: mean {mean:.2f} ± {error:.2f} percent, {quartiles}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    in_a_notebook(20)  # imports matplotlib
    an_epoch = fit(200, train.History())[0] / 200
    epochs = int(seconds / an_epoch)
    print("the cost of a live view, in percent of the training")
    for what, idle in (("recording", False), ("nothing recorded", True)):
        tell(what, noted(epochs // STARTS, idle))
    tell("a page", page(epochs // (2 * ROUNDS)))
    for name, method in {"norms": "take_norms", "planes": "answers_around"}.items():
        setattr(train.Live, method, counted(name, getattr(train.Live, method)))
    print(f"counted, in a training of about {seconds / 2:.0f} s")
    for name, training in (("a tab", in_a_tab), ("a notebook", in_a_notebook)):
        SPENT.clear()
        time, process, thread = training(epochs // 2)
        batches = of_each_batch() * (epochs // 2) * -(-len(X) // BATCH)
        parts = {"each batch": batches, **SPENT, "other threads": process - thread}
        shares = {part: 100 * x / thread for part, x in parts.items()}
        told = ", ".join(f"{part} {share:.2f}" for part, share in shares.items())
        print(f"  {name} ({time:.0f} s): {told}; together {sum(shares.values()):.2f}", flush=True)


if __name__ == "__main__":
    main()
