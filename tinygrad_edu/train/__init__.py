"""Training: batches of data, a loop, and checkpoints from which it goes on as if never stopped."""

from tinygrad_edu.train.checkpoint import Checkpoint, CheckpointError, load, save
from tinygrad_edu.train.data import Batches, batches, split
from tinygrad_edu.train.history import History
from tinygrad_edu.train.live import Live
from tinygrad_edu.train.loop import BestWeights, EarlyStopping, accuracy, evaluate, fit
from tinygrad_edu.train.tensorboard import TensorBoard

__all__ = [
    "Batches",
    "BestWeights",
    "Checkpoint",
    "CheckpointError",
    "EarlyStopping",
    "History",
    "Live",
    "TensorBoard",
    "accuracy",
    "batches",
    "evaluate",
    "fit",
    "load",
    "save",
    "split",
]
