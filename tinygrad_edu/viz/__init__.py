"""Pictures of a graph: `describe` turns it into plain data, and the others draw that."""

from tinygrad_edu.viz.data import Cells, Graph, GraphEdge, GraphGroup, GraphNode
from tinygrad_edu.viz.describe import describe
from tinygrad_edu.viz.draw import Drawing, draw
from tinygrad_edu.viz.play import Page, film, play
from tinygrad_edu.viz.quiz import quiz
from tinygrad_edu.viz.record import Record, record
from tinygrad_edu.viz.solution import Solution, worked_solution
from tinygrad_edu.viz.steps import Contribution, ForwardStep, Step, backward_steps, forward_steps
from tinygrad_edu.viz.text import text
from tinygrad_edu.viz.zoom import Zoomed, zoom

__all__ = [
    "Cells",
    "Contribution",
    "Drawing",
    "ForwardStep",
    "Graph",
    "GraphEdge",
    "GraphGroup",
    "GraphNode",
    "Page",
    "Record",
    "Solution",
    "Step",
    "Zoomed",
    "backward_steps",
    "describe",
    "draw",
    "film",
    "forward_steps",
    "play",
    "quiz",
    "record",
    "text",
    "worked_solution",
    "zoom",
]
