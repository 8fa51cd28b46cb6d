"""The MPI example: any number of processes trains the same network."""

import os
import subprocess
import sys

import numpy as np
import pytest
from test_examples import EXAMPLES, pictures

TRAIN = """
import runpy, sys
from pathlib import Path
import numpy as np
names = runpy.run_path(sys.argv[1])
names["train"].__globals__["EPOCHS"] = 4
curve, apart = names["main"](Path(sys.argv[2]))
if names["WORLD"].rank == 0:
    np.savez(sys.argv[3], curve=curve, apart=apart)
"""


def train(processes, folder):
    """The losses, the difference of the weights, and the printed text of the example."""
    out, numbers = folder / f"out{processes}", folder / f"{processes}.npz"
    mpiexec = os.path.join(os.path.dirname(sys.executable), "mpiexec")
    arguments = str(EXAMPLES / "mpi_train.py"), str(out), str(numbers)
    run = subprocess.run(
        [mpiexec, "-n", str(processes), sys.executable, "-m", "mpi4py", "-c", TRAIN, *arguments],
        env={**os.environ, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    assert pictures(out) == ["mpi_train.png"]
    found = np.load(numbers)
    return found["curve"], float(found["apart"]), run.stdout


def test_mpi_train(tmp_path):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    alone, _, _ = train(1, tmp_path)
    assert len(alone) == 4 * 29
    assert np.mean(alone[:29]) > 1
    assert np.mean(alone[-29:]) < 0.5
    for processes in (2, 4):
        curve, apart, printed = train(processes, tmp_path)
        assert f"{processes} processes, " in printed
        assert apart == 0.0
        np.testing.assert_allclose(curve[:29], alone[:29], rtol=1e-12)
        np.testing.assert_allclose(curve, alone, rtol=1e-10)
