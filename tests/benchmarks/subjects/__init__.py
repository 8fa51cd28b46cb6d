"""What is measured? One module for each subject, in the order of the page.

Each has a TITLE and `measure(effort, say)`, which gives the subject's rows as measure.py stores
them.
"""

SUBJECTS = [
    "perceptrons",
    "optimizers",
    "convolution",
    "transformer",
    "recurrent",
    "scalars",
    "operations",
    "graphs",
    "memory",
    "calls",
    "imports",
]
