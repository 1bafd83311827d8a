"""Learning rates per step, as a list of floats."""

import math

STEP_FACTOR = 0.1  # of the schedule "steps", at each of its boundaries


def cosine(t, step, boundaries):
    """(1 + cos(pi t)) / 2."""
    return (1 + math.cos(math.pi * t)) / 2


def linear(t, step, boundaries):
    """1 - t."""
    return 1 - t


def steps(t, step, boundaries):
    """0.1 to the power of the number of boundaries that the step has reached."""
    return STEP_FACTOR ** sum(step >= boundary for boundary in boundaries)


# name -> (t, step, boundaries) -> share of the way from the floor to the peak, in [0, 1]
SCHEDULES = {"cosine": cosine, "linear": linear, "steps": steps}


def learning_rates(schedule, peak, floor, count, warmup, boundaries=()):
    """Linear warm-up, then the decay of SCHEDULES; one learning rate for each of `count` steps.

    Step i < warmup: peak (i + 1) / warmup. After it floor + (peak - floor) decay(t, i, boundaries), t running from 0 to 1
    over the remaining steps. boundaries: steps at which the schedule "steps" decays.
    Raises ValueError when warm-up is longer than the run.
    """
    if not 0 <= warmup <= count:
        raise ValueError(f"warm-up: expected at most the run's {count} steps, got {warmup}")
    rates = [peak * (i + 1) / warmup for i in range(warmup)]
    last = max(count - warmup - 1, 1)
    for i in range(count - warmup):
        rates.append(floor + (peak - floor) * SCHEDULES[schedule](i / last, warmup + i, boundaries))
    return rates


def scaled_learning_rate(rate, base_batch, total_batch):
    """The linear scaling rule: rate holds for base_batch images per step, of all devices together."""
    return rate * total_batch / base_batch
