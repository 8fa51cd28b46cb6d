"""Drawings of what the laboratory measures, with matplotlib: from plain data."""
