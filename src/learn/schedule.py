"""Learning rates per step, as a list of floats."""

import math


def warmup_cosine(peak, floor, steps, warmup_steps):
    """Linear warm-up, then cosine decay; one learning rate per step.

    Step i < warmup_steps: peak (i + 1) / warmup_steps. After it, with t running from 0 to 1 over the
    remaining steps: floor + (peak - floor) (1 + cos(pi t)) / 2.
    Raises ValueError when warm-up is longer than the run.
    """
    if not 0 <= warmup_steps <= steps:
        raise ValueError(f"warm-up: expected at most the run's {steps} steps, got {warmup_steps}")
    rates = [peak * (i + 1) / warmup_steps for i in range(warmup_steps)]
    decay_steps = steps - warmup_steps
    for i in range(decay_steps):
        t = i / max(decay_steps - 1, 1)
        rates.append(floor + (peak - floor) * (1 + math.cos(math.pi * t)) / 2)
    return rates


def scaled_learning_rate(rate, base_batch, total_batch):
    """The linear scaling rule: rate holds for base_batch images per step, of all devices together."""
    return rate * total_batch / base_batch
