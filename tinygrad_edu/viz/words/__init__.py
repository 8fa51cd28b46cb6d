"""A backward pass in words: formulas, steps, a tree, a worked solution."""
