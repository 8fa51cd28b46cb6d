"""The time that a call of a compiled step takes in addition to its program."""

from measure import Limit, Process, result_of
from peers import COMPILED, NUMBA, is_installed

from subjects.networks import SIZES, SLOW, perceptron

TITLE = "Calls of a program"
LIMIT = 5e-6  # seconds


def measure(effort, say):
    found = []
    for size in SIZES[:2]:
        row, rounds, cannot = perceptron(*size), {}, {}
        say(row.name)
        for name in filter(is_installed, (COMPILED, NUMBA)):
            process = Process(name)
            question = {"task": "a_call", "arrays": row.arrays, "options": {"lr": SLOW}}
            seconds = process.ask("call", effort.patience, n=100 * effort.rounds, **question)
            if process.cannot:
                cannot[name] = process.cannot
            else:
                rounds[name] = seconds
                process.close()
            say(f"  {name}: {cannot.get(name) or f'{seconds[0] * 1e6:.1f} µs'}")
        limits = [Limit(name, None, LIMIT) for name in rounds]
        found.append(result_of(row.name, "s", rounds, cannot, limits))
    return found
