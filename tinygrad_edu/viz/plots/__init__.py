"""Plots of what `lab` measures, of losses, trainings and programs, drawn with matplotlib."""

from tinygrad_edu.viz.plots.descent import basin_map, loss_curves, path_on_curve
from tinygrad_edu.viz.plots.landscape import contour, curve, surface
from tinygrad_edu.viz.plots.losses import plot_losses
from tinygrad_edu.viz.plots.programs import plot_program
from tinygrad_edu.viz.plots.race import animate_race, plot_batches, plot_race
from tinygrad_edu.viz.plots.sweep import plot_sweep
from tinygrad_edu.viz.plots.training import plot_history, plot_schedule

__all__ = [
    "animate_race",
    "basin_map",
    "contour",
    "curve",
    "loss_curves",
    "path_on_curve",
    "plot_batches",
    "plot_history",
    "plot_losses",
    "plot_program",
    "plot_race",
    "plot_schedule",
    "plot_sweep",
    "surface",
]
