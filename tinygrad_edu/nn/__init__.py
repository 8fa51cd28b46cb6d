"""Layers: modules with parameters, and modules made of modules."""

from tinygrad_edu.nn.activation import ReLU, Tanh
from tinygrad_edu.nn.container import Sequential
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.scalar import MLP, Layer, Neuron

__all__ = ["MLP", "Layer", "Linear", "Module", "Neuron", "ReLU", "Sequential", "Tanh"]
