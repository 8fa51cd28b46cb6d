"""Plots of the results of `lab`, of losses, trainings and programs, drawn with matplotlib."""

from tinygrad_edu.viz.plots.animation import animate
from tinygrad_edu.viz.plots.boundaries import plot_boundary
from tinygrad_edu.viz.plots.descent import basin_curve, basin_map, loss_curves, path_on_curve
from tinygrad_edu.viz.plots.images import plot_filters, plot_images
from tinygrad_edu.viz.plots.landscape import contour, curve, surface
from tinygrad_edu.viz.plots.live import plot_live
from tinygrad_edu.viz.plots.losses import plot_losses
from tinygrad_edu.viz.plots.parallel import plot_parallel
from tinygrad_edu.viz.plots.programs import plot_program
from tinygrad_edu.viz.plots.race import animate_race, plot_batches, plot_race
from tinygrad_edu.viz.plots.sweep import plot_range_test, plot_sweep
from tinygrad_edu.viz.plots.training import plot_history, plot_learning, plot_schedule

__all__ = [
    "animate",
    "animate_race",
    "basin_curve",
    "basin_map",
    "contour",
    "curve",
    "loss_curves",
    "path_on_curve",
    "plot_batches",
    "plot_boundary",
    "plot_filters",
    "plot_history",
    "plot_images",
    "plot_learning",
    "plot_live",
    "plot_losses",
    "plot_parallel",
    "plot_program",
    "plot_race",
    "plot_range_test",
    "plot_schedule",
    "plot_sweep",
    "surface",
]
