"""Experiments with losses, landscapes and learning rates; their results are plain data."""

from tinygrad_edu.lab.curvature import sharpness, stable_learning_rate
from tinygrad_edu.lab.curve import curve_verdict
from tinygrad_edu.lab.descent import Trajectory, Verdict, descend, verdict
from tinygrad_edu.lab.landscapes import (
    Landscape,
    Plane,
    landscape,
    line_between,
    principal_plane,
    random_plane,
)
from tinygrad_edu.lab.minima import Basins, basins
from tinygrad_edu.lab.noise import GradientNoise, compare_batches, gradient_noise
from tinygrad_edu.lab.races import Entry, Race, Racer, default_racers, race
from tinygrad_edu.lab.range_test import RangeTest, lr_range_test
from tinygrad_edu.lab.runs import Run
from tinygrad_edu.lab.search import Between, between
from tinygrad_edu.lab.surfaces import SURFACES, Surface
from tinygrad_edu.lab.sweeps import Row, Sweep, load_sweep, sweep

__all__ = [
    "SURFACES",
    "Basins",
    "Between",
    "Entry",
    "GradientNoise",
    "Landscape",
    "Plane",
    "Race",
    "Racer",
    "RangeTest",
    "Row",
    "Run",
    "Surface",
    "Sweep",
    "Trajectory",
    "Verdict",
    "basins",
    "between",
    "compare_batches",
    "curve_verdict",
    "default_racers",
    "descend",
    "gradient_noise",
    "landscape",
    "line_between",
    "load_sweep",
    "lr_range_test",
    "principal_plane",
    "race",
    "random_plane",
    "sharpness",
    "stable_learning_rate",
    "sweep",
    "verdict",
]
