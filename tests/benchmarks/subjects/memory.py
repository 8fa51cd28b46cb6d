"""The largest amount of memory that a training step needs in addition to the framework itself."""

from time import perf_counter

from measure import Limit, Process, result_of
from peers import HAND, OURS, is_installed

from subjects import networks

TITLE = "Memory of a step"
LIMIT = 1.5
REPEATS, PATIENCE = 3, 20  # so many repetitions, or fewer if they take so many seconds


def measure(effort, say):
    rows = [
        networks.perceptron(*networks.SIZES[-1], optimizer="Adam"),
        networks.convolution(),
        networks.transformer(),
        networks.recurrent(),
    ]
    found = []
    for row in rows:
        say(row.name)
        peaks, cannot = {}, {}
        for name in filter(is_installed, row.competitors):
            peaks[name], start = [], perf_counter()
            while (
                len(peaks[name]) < REPEATS
                and name not in cannot
                and perf_counter() - start < PATIENCE
            ):
                peaks[name].append(peak(name, row, effort, cannot))
            if name in cannot:
                del peaks[name]
            say(f"  {name}: {cannot.get(name) or f'{peaks[name][0] / 1e6:.1f} MB'}")
        n = min(map(len, peaks.values()))
        peaks = {name: values[:n] for name, values in peaks.items()}
        limits = [Limit(OURS, HAND, LIMIT)]
        found.append(result_of(row.name, "B", peaks, cannot, limits))
    return found


def peak(name, row, effort, cannot):
    """The peak in bytes, measured in a new process."""
    process = Process(name)
    question = {"task": row.task, "arrays": row.arrays, "options": row.options}
    # two rows: the first axis of an LSTM's data is time, that of all others is the batch
    found = process.ask("peak", effort.patience, rows=2, **question)
    if process.cannot:
        cannot[name] = process.cannot
    else:
        process.close()
    return found
