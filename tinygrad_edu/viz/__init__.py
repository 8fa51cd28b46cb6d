"""Pictures of a graph: `describe` turns it into plain data, and `draw` draws that."""

from tinygrad_edu.viz.describe import Graph, GraphEdge, GraphNode, describe
from tinygrad_edu.viz.draw import Drawing, draw

__all__ = ["Drawing", "Graph", "GraphEdge", "GraphNode", "describe", "draw"]
