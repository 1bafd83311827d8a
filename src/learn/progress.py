"""Progress of a stage in training: a bar on a terminal, plain lines otherwise."""

import sys
import time

from tqdm import tqdm

from src.common.output import is_terminal, remark


class ProgressBar:
    """Progress of one epoch: on a terminal a bar with ETA, images/s, loss, learning rate and running top-1; otherwise a
    line every `every` steps (0: none). Silent unless `enabled`, which it is on rank 0.
    """

    def __init__(self, title, steps, done, images_per_step, every, enabled):
        self.title, self.steps, self.every = title, steps, every
        self.images_per_step = images_per_step
        self.enabled = enabled
        self.restart_clock(done)
        self.bar = None
        if enabled and is_terminal(sys.stderr):
            self.bar = tqdm(
                total=steps, initial=done, desc=title, unit="step", leave=False, dynamic_ncols=True
            )

    def restart_clock(self, step):
        """Take the speed from the steps after `step`: the ones before were not done here, or were compiled."""
        self.start, self.first = time.perf_counter(), step

    def update(self, step, loss, rate, top1):
        """After step `step` (from 1): mean loss and top-1 so far, the step's learning rate."""
        text, left = f"loss {loss:.4f}  lr {rate:.2e}  top-1 {top1:.4f}", ""
        if step > self.first:
            seconds = (time.perf_counter() - self.start) / (step - self.first)
            text = f"{self.images_per_step / seconds:.0f} images/s  {text}"
            left = f"  {(self.steps - step) * seconds:.0f} s left"
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(1)
        elif self.enabled and self.every and (step % self.every == 0 or step == self.steps):
            log(f"{self.title}  step {step}/{self.steps}  {text}{left}")

    def close(self):
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def log(text, stream=None):
    """A remark on `stream` (stdout if None), above a bar if there is one."""
    stream = sys.stdout if stream is None else stream
    with tqdm.external_write_mode(file=stream):
        remark(text, stream)
