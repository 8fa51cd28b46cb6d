"""What does the process of one competitor do? It builds, trains and measures on request.

The runner starts one process for each competitor of a row (see measure.py) and sends it weights and
data. It asks one question at a time, so that only one process computes.
"""

import ctypes
import gc
import importlib
import os
from contextlib import suppress
from time import perf_counter

import numpy as np


class CannotDoError(Exception):
    """This competitor has no answer; the text says why."""


def serve(connection, module, settings, variables):
    """Answer questions (name, arguments) with ("done", result) or ("cannot", why) until None."""
    os.environ.update(variables)
    stay_on_one_core()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # the report must not contain what frameworks print
        peer = None
        while (question := connection.recv()) is not None:
            name, arguments = question
            try:
                peer = peer or Peer(module, settings)
                answer = "done", getattr(peer, name)(**arguments)
            except CannotDoError as why:
                answer = "cannot", str(why)
            except Exception as error:  # the row says so, and the others go on
                answer = "cannot", first_line(error)
            connection.send(answer)


def stay_on_one_core():
    """Use one core, because some frameworks start more threads than the environment allows."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def first_line(error):
    text = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {text[0]}"[:120] if text[0] else type(error).__name__


class Peer:
    """A competitor: the tasks of its module, and the step that it has built last."""

    def __init__(self, module, settings):
        self.module, self.settings = importlib.import_module(f"peers.{module}"), settings
        self.step = None

    def task(self, name):
        if not hasattr(self.module, name):
            raise CannotDoError(self.module.CANNOT.get(name, f"there is no {name}"))
        return getattr(self.module, name)

    def build(self, task, arrays, options):
        own = copies(arrays)
        self.step = self.task(task)(own, **options, **self.settings)
        self.step()

    def losses(self, task, arrays, options, n):
        """The losses of the first n steps."""
        own = copies(arrays)
        step = self.task(task)(own, **options, **self.settings)
        return [float(step()) for _ in range(n)]

    def seconds(self, calls):
        """The mean time of a step over `calls` steps, after one that fills the caches again."""
        if calls > 1:
            self.step()
        start = perf_counter()
        for _ in range(calls):
            self.step()
        return (perf_counter() - start) / calls

    def peak(self, task, arrays, options, rows):
        """The additional bytes that the process needs for a network and three of its steps.

        One step with `rows` rows of the data comes first, because it loads the framework's own
        code. Two more steps come before the measured ones, because some frameworks compile then.
        """
        few = {name: x[:rows] if name in "xy" else x for name, x in arrays.items()}
        self.losses(task, few, options, 1)
        return_free_memory()
        before = status("VmRSS")
        own = copies(arrays)
        step = self.task(task)(own, **options, **self.settings)
        for _ in range(2):
            step()
        return_free_memory()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Linux resets the peak
        for _ in range(3):
            step()
        return status("VmHWM") - before

    def graph_bytes(self, kind, n):
        """The bytes of a node. Small graphs are kept until they have 100,000 nodes together."""
        leaf, _, _ = self.task("graph")(**self.settings)
        held = [GRAPHS[kind](leaf, 10)]
        return_free_memory()
        before, graphs = status("VmRSS"), max(1, 100_000 // n)
        held = [GRAPHS[kind](leaf, n) for _ in range(graphs)]
        found = (status("VmRSS") - before) / (n * graphs)
        del held
        return found

    def graph_seconds(self, kind, n):
        """The seconds to make a node and to visit it in backward; and the leaf's gradient."""
        leaf, backward, gradient = self.task("graph")(**self.settings)
        graphs = max(1, 10_000 // n)
        start = perf_counter()
        for _ in range(graphs):
            root, x = GRAPHS[kind](leaf, n)
            backward(root)
        return (perf_counter() - start) / (n * graphs), float(gradient(x))

    def call(self, task, arrays, options, n):
        """The seconds of a compiled call minus those of its program; the two take turns."""
        step, program = self.task(task)(copies(arrays), **options, **self.settings)
        times = np.empty((n, 3))
        for row in times:
            row[0] = perf_counter()
            step()
            row[1] = perf_counter()
            program()
            row[2] = perf_counter()
        parts = np.median(np.diff(times).reshape(10, -1, 2), axis=1)
        return list(parts[:, 0] - parts[:, 1])


def copies(arrays):
    """Copies with the usual alignment: arrays from a pipe lie in memory aligned only for bytes."""
    return {name: x.copy() for name, x in arrays.items()}


def return_free_memory():
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def status(name):
    """A number of bytes that Linux reports about this process."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith(name)]
    return 1024 * int(line.split()[1])


# Graphs of about n nodes; each returns its root and a leaf


def chain(leaf, n):
    x, w = leaf(1.0), leaf(1e-7)
    out = x
    for _ in range(n):
        out = out + w
    return out, x


def wide(leaf, n):
    """n / 2 products of one leaf, added in pairs."""
    x, w = leaf(1.0), leaf(0.5)
    level = [x * w for _ in range(n // 2)]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [a + b for a, b in zip(level[::2], level[1::2])] + odd
    return level[0], x


def diamonds(leaf, n):
    """n / 3 diamonds, each adding two halves: the number of paths doubles, the value stays."""
    x, half = leaf(1.0), leaf(0.5)
    out = x
    for _ in range(n // 3):
        out = out * half + out * half
    return out, x


GRAPHS = {"chain": chain, "wide": wide, "diamonds": diamonds}
