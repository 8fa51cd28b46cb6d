"""Optimizers: they read `.grad`, change `.data`, and know nothing else."""

from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from tinygrad_edu.optim.adaptive import Adadelta, Adagrad, RMSprop
from tinygrad_edu.optim.clip import clip_grad_norm_, clip_grad_value_
from tinygrad_edu.optim.ema import EMA
from tinygrad_edu.optim.lion import Lion
from tinygrad_edu.optim.muon import Muon
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
]
