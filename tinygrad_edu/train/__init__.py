"""Training: batches of data, a training loop, and checkpoints to stop and go on exactly."""

from tinygrad_edu.train.checkpoint import Checkpoint, CheckpointError, load, save
from tinygrad_edu.train.data import Batches, batches, split
from tinygrad_edu.train.history import History
from tinygrad_edu.train.lazy_arrays import compute
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
    "compute",
    "evaluate",
    "fit",
    "load",
    "save",
    "split",
]
