"""A graph as a page that one can step through."""
