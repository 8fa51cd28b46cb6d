"""Time and bytes of a node in graphs of a thousand to a million nodes.

A chain is one long sum; in a wide graph one number goes into half of all nodes, and the rest add
them in pairs; in diamonds the number of paths doubles with every third node.
"""

import math

from measure import Process, ratios, result_of
from peers import COMPETITORS, COMPILED, HAND, NUMBA, OURS, TENSORS, TORCH_COMPILE, is_installed

TITLE = "Growing graphs"
SIZES = [10**3, 10**4, 10**5, 10**6]
KINDS = ["chain", "wide", "diamonds"]
PEERS = [x for x in COMPETITORS if x not in (HAND, COMPILED, NUMBA, TORCH_COMPILE)]
PATIENCE = 30.0  # seconds for one graph
# Limits for the largest size / the smallest: a node takes longer if the graph exceeds the cache.
FLAT = {"s": 2.0, "B": 1.2}


def measure(effort, say):
    sizes = SIZES if effort.rounds > 10 else SIZES[:2]
    rows, gone = [], {}
    for kind in KINDS:
        of_kind = []
        for n in sizes:
            say(f"{kind}, {n:,} nodes")
            of_kind += at_size(kind, n, 5 if n < 10**6 else 2, gone, say)
        add_limits(kind, of_kind)
        rows += of_kind
    return [row for row, _ in rows]


def at_size(kind, n, repeats, gone, say):
    """The row of bytes and the row of seconds, each with its rounds. `gone`: who has stopped."""
    names = [name for name in PEERS if is_installed(name)]
    cannot = {name: gone[name, kind] for name in names if (name, kind) in gone}
    processes = {name: Process(name) for name in names if name not in cannot}
    seconds = {name: [] for name in processes}
    try:
        held = {}
        for name, process in processes.items():
            held[name] = [process.ask("graph_bytes", PATIENCE, kind=kind, n=n)]
            if n < 10**6:  # the first graph of a process is slower, unless it is large
                process.ask("graph_seconds", PATIENCE, kind=kind, n=n)
        for _ in range(repeats):
            for name, process in processes.items():
                found = process.ask("graph_seconds", PATIENCE, kind=kind, n=n)
                if found is not None:
                    seconds[name].append(found[0])
                    check_gradient(kind, name, found[1])
    finally:
        for process in processes.values():
            process.close()
    for name, process in processes.items():
        if process.cannot:
            where = f" ({n:,} nodes)" if n > SIZES[0] else ""
            gone[name, kind] = cannot[name] = process.cannot + where
            say(f"  {name}: {process.cannot}")
            del seconds[name], held[name]
    title = f"{kind}, {n:,} nodes"
    return [
        (result_of(f"{title}, bytes", "B", held, cannot), held),
        (result_of(f"{title}, time", "s", seconds, cannot), seconds),
    ]


def check_gradient(kind, name, gradient):
    """Raise ArithmeticError if the derivative is wrong: 1 in a chain and in diamonds."""
    known = kind == "wide" or math.isclose(gradient, 1, rel_tol=1e-6)
    if not (known and math.isfinite(gradient)):
        raise ArithmeticError(f"{kind}: the gradient of {name} is {gradient}")


def add_limits(kind, rows):
    """Compare a node of the largest graph with a node of the smallest one."""
    for unit, at_most in FLAT.items():
        same = [(row, rounds) for row, rounds in rows if row["unit"] == unit]
        (first, small), (last, large) = same[0], same[-1]
        for name in (OURS, TENSORS):
            n = min(len(small[name]), len(large[name]))
            found = ratios(large[name][:n], small[name][:n])[1]
            text = f"{last['name']} of a node / {first['name']}: {name}"
            last["limits"].append({"text": text, "found": found, "at_most": at_most, "unit": ""})
