"""A training step of a transformer of two blocks that predicts characters."""

from measure import Limit, compare
from peers import OURS, PYTORCH

from subjects import networks

TITLE = "Transformer"


def measure(effort, say):
    row = networks.transformer(limits=[Limit(OURS, PYTORCH, 1.10)])
    return [compare(row, effort, say)]
