"""How much longer does a training take while somebody looks on?

    python tests/benchmarks/watching.py [--seconds 30]

trains a small network, whose short steps are the hardest case: what is done for each batch is a
larger share of them, and all the rest is a share of the time anyway. Other programs on the machine
disturb any clock, so there are three measurements:

- What is noted: two trainings, of which one is looked at, take turns of some milliseconds. Each
  slow moment of the machine is in both. Told are the quartiles over eight such pairs.
- A page in a browser tab: a process listens as the page does, and gets its numbers a hundred times
  as often as a page. A hundredth of what that takes is what a page takes.
- All that is no part of the training, counted where it is done: the processor time of norms, planes
  and pictures, that of the other threads, which hold up the training by no more than that, and what
  is done for each batch, measured alone. This is hardly disturbed, and knows nothing of caches.
"""

import argparse
import functools
import subprocess
import sys
import threading
from collections import defaultdict
from io import BytesIO
from time import perf_counter, process_time, sleep, thread_time

import measure  # it sets the number of threads, before NumPy is imported
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
TURN = 50  # batches
OFTEN = 100  # times as often as a page
PAIRS, ROUNDS = 8, 9
SPENT = defaultdict(float)  # seconds in the methods of Live


def fit(epochs, history, data=None):
    """Train, and return the seconds: of a clock, of the process, and of this thread."""
    manual_seed(0)
    hidden = [nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(32, 2))
    adam = optim.Adam(model.parameters(), lr=1e-3)
    before = now()
    train.fit(
        model, losses.cross_entropy, adam, data or train.batches(X, Y, BATCH), epochs=epochs,
        history=history, progress=False,
    )  # fmt: skip
    return now() - before


def now():
    return np.array([perf_counter(), process_time(), thread_time()])


def history_of(looked_at):
    history = train.History()
    history.live = train.Live() if looked_at else None
    return history


class Taker:
    """Data of a training that waits after each turn until it is the next one's turn again."""

    def __init__(self, turn):
        self.turn, self.next, self.batches = turn, None, 0
        self.took = []  # seconds of each turn: of a clock, and of the thread
        self.worked = 0.0  # the sum of the former

    def __iter__(self):
        for batch in train.batches(X, Y, BATCH):
            if self.batches % TURN == 0:
                self.wait()
            self.batches += 1
            yield batch

    def wait(self):
        if self.batches:
            self.pause()
        self.turn.acquire()
        self.start = perf_counter(), thread_time()

    def pause(self):
        self.took.append((perf_counter() - self.start[0], thread_time() - self.start[1]))
        self.worked += self.took[-1][0]
        self.next.release()

    def clock(self):
        """A clock that stands still in the turns of the others."""
        return self.worked + perf_counter() - self.start[0]


def noted(epochs):
    """The share of its time that is taken from a training that is looked at: pair by pair."""
    return np.transpose([taking_turns(epochs, watched=i % 2) - 1 for i in range(PAIRS)])


def taking_turns(epochs, watched):
    """The ratios of the training number `watched` to the other: of time, of processor time."""
    takers = [Taker(threading.Semaphore(k == 0)) for k in range(2)]
    takers[0].next, takers[1].next = takers[1].turn, takers[0].turn
    alone, watched = takers[1 - watched], takers[watched]
    watched.start = perf_counter(), thread_time()
    live.perf_counter = watched.clock

    def run(taker, history):
        fit(epochs, history, taker)
        taker.pause()

    histories = [history_of(taker is watched) for taker in takers]
    threads = [threading.Thread(target=run, args=x) for x in zip(takers, histories, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live.perf_counter = perf_counter
    return np.sum(watched.took, axis=0) / np.sum(alone.took, axis=0)


def in_a_tab(epochs):
    """The seconds of a training with a page, and of the other threads meanwhile."""
    history = history_of(True)
    with viz.watch(history, browser=False) as watched:
        page = subprocess.Popen([sys.executable, "-c", LISTEN, watched.url + "numbers"])
        while not watched.streams:
            sleep(0.01)
        found = fit(epochs, history)
    page.wait()
    return found


def page(epochs):
    """The share of its time that a page takes from a training: round by round."""
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
    """The same, and its seconds are added to those of its name."""

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
    """The seconds of what is done for each batch, where nothing else is due."""
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
        print(f"  {what}, {kind}: {middle:.2f} percent ({low:.2f} to {high:.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="that each measurement takes")
    seconds = parser.parse_args().seconds
    in_a_notebook(20)  # imports matplotlib
    an_epoch = fit(200, train.History())[0] / 200
    epochs = int(seconds / an_epoch)
    print("what looking on takes, in percent of the training")
    tell("what is noted", noted(epochs // (2 * PAIRS)))
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
