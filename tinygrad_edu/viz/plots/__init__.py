"""Plots of what `lab` measures, and of losses, drawn with matplotlib."""
