"""What the user sees while a stage trains: a bar on a terminal, plain lines otherwise."""

import sys
import time

from tqdm import tqdm


class Display:
    """One epoch's display. Silent unless `speaking` (rank 0).

    On a terminal a bar with ETA, images/s, loss, learning rate and running top-1; otherwise a line every
    `every` steps (0: none).
    """

    def __init__(self, title, steps, done, images_per_step, every, speaking):
        self.title, self.steps, self.every = title, steps, every
        self.images_per_step = images_per_step
        self.speaking = speaking
        self.start, self.first = time.perf_counter(), done
        self.bar = None
        if speaking and sys.stderr.isatty():
            self.bar = tqdm(
                total=steps, initial=done, desc=title, unit="step", leave=False, dynamic_ncols=True
            )

    def update(self, step, loss, rate, top1):
        """After step `step` (from 1): mean loss and top-1 so far, the step's learning rate."""
        speed = (step - self.first) * self.images_per_step / (time.perf_counter() - self.start)
        text = f"{speed:.0f} images/s  loss {loss:.4f}  lr {rate:.2e}  top-1 {top1:.4f}"
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(1)
        elif self.speaking and self.every and (step % self.every == 0 or step == self.steps):
            left = (self.steps - step) * self.images_per_step / speed
            say(f"{self.title}  step {step}/{self.steps}  {text}  {left:.0f} s left")

    def close(self):
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def say(text):
    """One line on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
