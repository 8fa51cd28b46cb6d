"""A graph as plain data, and what its parts are called."""
