"""Experiments on loss functions, landscapes and learning rates: plain data out."""

from tinygrad_edu.lab.basins import Basins, basins
from tinygrad_edu.lab.curvature import sharpness, stable_learning_rate
from tinygrad_edu.lab.descend import Trajectory, Verdict, descend, verdict
from tinygrad_edu.lab.range_test import RangeTest, lr_range_test
from tinygrad_edu.lab.surfaces import SURFACES, Surface

__all__ = [
    "SURFACES",
    "Basins",
    "RangeTest",
    "Surface",
    "Trajectory",
    "Verdict",
    "basins",
    "descend",
    "lr_range_test",
    "sharpness",
    "stable_learning_rate",
    "verdict",
]
