"""Times and gradient norms of an epoch's training steps, and the figures for its record."""

import numpy as np
from mindspore import Parameter, Tensor

_ROWS = 4  # waiting, computing (seconds), compiled (0 or 1), gradient norm


class StepTimer:
    """Times and gradient norms of one epoch's steps, one column per step, NaN where a step was not measured.

    A median needs all step times, so the run state keeps them, in `parameter`.
    """

    def __init__(self, steps):
        self.values = np.full((_ROWS, steps), np.nan)
        self.parameter = Parameter(Tensor(self.values), name="run_measures", requires_grad=False)

    def note(self, step, waiting, computing, compiled, norm):
        """Step `step` (from 0): seconds until its batch came, seconds from then to its end, whether it compiled,
        and the global gradient norm before clipping, NaN of a skipped step."""
        self.values[:, step] = waiting, computing, compiled, norm

    def clear(self):
        """Begin an epoch."""
        self.values[:] = np.nan

    def save(self):
        """Put the measurements into `parameter`."""
        self.parameter.set_data(Tensor(self.values))

    def restore(self):
        """Take the measurements from `parameter`."""
        self.values = self.parameter.asnumpy().copy()

    def record(self, images_per_step):
        """The epoch's figures, as a dict; 0 where no step was measured. gradient_norm is the mean over the steps that were
        not skipped, NaN where all were.

        A step that compiled counts as the median of the others; the rest of its time is compile_seconds. Where
        there are no others, it counts as it is.
        step_seconds: median of the steps without waiting. seconds: all steps with waiting, without compiling.
        data_wait: the share of waiting in all steps but the epoch's first, which waits for the pipeline's start.
        """
        waiting, computing, compiled, norm = self.values[:, ~np.isnan(self.values[0])]
        usual = computing[compiled == 0] if (compiled == 0).any() else computing
        step = np.median(usual) if usual.size else 0.0
        steps = np.where(compiled, step, computing)
        seconds = waiting.sum() + steps.sum()
        norms = norm[~np.isnan(norm)]
        figures = {
            "seconds": seconds,
            "compile_seconds": (computing - steps).sum(),
            "step_seconds": step,
            "images_per_second": _quotient(len(steps) * images_per_step, seconds),
            "data_wait": _quotient(waiting[1:].sum(), waiting[1:].sum() + steps[1:].sum()),
            "gradient_norm": norms.mean() if norms.size else np.nan,
        }
        return {name: float(value) for name, value in figures.items()}


def _quotient(part, total):
    return part / total if total else 0.0
