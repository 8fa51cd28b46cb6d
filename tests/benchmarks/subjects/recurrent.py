"""A training step of an LSTM over 64 steps of time."""

from measure import Limit, compare
from peers import HAND, OURS, PYTORCH

from subjects import networks

TITLE = "LSTM"


def measure(effort, say):
    row = networks.recurrent(limits=[Limit(OURS, PYTORCH, 1.8), Limit(OURS, HAND, 1.15)])
    return [compare(row, effort, say)]
