"""Pictures of a graph: `describe` turns it into plain data, and the other functions draw it."""

from tinygrad_edu.nn.recording import Record, record
from tinygrad_edu.scalars import Zoomed, zoom
from tinygrad_edu.viz.drawing.picture import Drawing, draw
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphEdge, GraphGroup, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.descents import explore_descent
from tinygrad_edu.viz.pages.exercises import practice
from tinygrad_edu.viz.pages.explorable import explore
from tinygrad_edu.viz.pages.exploration import Exploration, widget
from tinygrad_edu.viz.pages.monitor import Watch, watch
from tinygrad_edu.viz.pages.player import Page, film, play
from tinygrad_edu.viz.pages.questions import quiz
from tinygrad_edu.viz.pages.sweeps import explore_sweep
from tinygrad_edu.viz.words.solution import Solution, worked_solution
from tinygrad_edu.viz.words.steps import (
    Contribution,
    ForwardStep,
    Step,
    backward_steps,
    forward_steps,
)
from tinygrad_edu.viz.words.tree import text

__all__ = [
    "Cells",
    "Contribution",
    "Drawing",
    "Exploration",
    "ForwardStep",
    "Graph",
    "GraphEdge",
    "GraphGroup",
    "GraphNode",
    "Page",
    "Record",
    "Solution",
    "Step",
    "Watch",
    "Zoomed",
    "backward_steps",
    "describe",
    "draw",
    "explore",
    "explore_descent",
    "explore_sweep",
    "film",
    "forward_steps",
    "play",
    "practice",
    "quiz",
    "record",
    "text",
    "watch",
    "widget",
    "worked_solution",
    "zoom",
]
