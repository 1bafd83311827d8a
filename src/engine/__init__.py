"""The engine: a packed network on a CPU, with bits for weights and activations, in C++ (native/)."""

from .engine import Engine, instruction_sets

__all__ = ["Engine", "instruction_sets"]
