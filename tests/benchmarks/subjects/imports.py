"""The time of importing a package in a new process."""

import os
import subprocess
import sys

from measure import result_of
from peers import COMPETITORS, COMPILED, NUMBA, TENSORS, TORCH_COMPILE, is_installed

TITLE = "Import"
PEERS = [x for x in COMPETITORS if x not in (TENSORS, COMPILED, NUMBA, TORCH_COMPILE)]
PROGRAM = """
import sys
from time import perf_counter
if sys.argv[1] == "dezero":
    import numpy
    numpy.int = int
start = perf_counter()
__import__(sys.argv[1])
print(perf_counter() - start)
"""
STATEMENTS = {"jax": "jax.numpy", "autograd": "autograd.numpy", "micrograd": "micrograd.nn"}


def measure(effort, say):
    names = [name for name in PEERS if is_installed(name)]
    rounds = {name: [] for name in names}
    for i in range(max(3, effort.rounds // 4) + 1):
        for name in names:
            package = COMPETITORS[name].package
            found = seconds(STATEMENTS.get(package, package))
            if i:  # the first one reads the files from the disk
                rounds[name].append(found)
    for name in names:
        say(f"  {name}: {min(rounds[name]):.3f} s")
    return [result_of("import in a new process", "s", rounds)]


def seconds(package):
    command = [sys.executable, "-c", PROGRAM, package]
    # pip compiles what it installs to bytecode; a working copy is compiled by its first import.
    keeps = {k: x for k, x in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=keeps)
    return float(found.stdout)
