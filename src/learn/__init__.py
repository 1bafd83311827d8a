"""Training: loss, schedule, optimizer, step, loop, run state. Knows no network and no data set by name."""

from .evaluate import evaluate
from .loop import BEST, LAST, Stage, Stopped, run_stage
from .parallel import Workers, start_workers
from .progress import say
from .step import make_predict

__all__ = [
    "BEST", "LAST", "Stage", "Stopped", "Workers", "evaluate", "make_predict", "run_stage", "say", "start_workers",
]  # fmt: skip
