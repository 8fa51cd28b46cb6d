"""A graph as plain data: its nodes, its edges and its modules."""
