"""Pictures of a graph: `describe` turns it into plain data, and the others draw that."""

from tinygrad_edu.viz.data import Cells, Graph, GraphEdge, GraphGroup, GraphNode
from tinygrad_edu.viz.describe import describe
from tinygrad_edu.viz.draw import Drawing, draw
from tinygrad_edu.viz.record import Record, record

__all__ = [
    "Cells",
    "Drawing",
    "Graph",
    "GraphEdge",
    "GraphGroup",
    "GraphNode",
    "Record",
    "describe",
    "draw",
    "record",
]
