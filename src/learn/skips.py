"""Steps whose loss or gradient norm is not finite: they are skipped, or end the run."""

import math

from src.common.errors import InputError

MAX_CONSECUTIVE_SKIPS = 50  # with which a run ends


class Skips:
    """Skipped steps of one stage.

    train.on_nonfinite ends the run or skips the step where the loss is not finite, and where the gradients overflow. A loss
    scale that can fall skips a step whose gradients overflow, and falls.

    Args:
        name: of the stage.
        skips: whether train.on_nonfinite skips.
        scale: the LossScale.
        log: function of one text.
    """

    def __init__(self, name, skips, scale, log):
        self.name, self.skips, self.scale, self.log = name, skips, scale, log
        self.in_a_row = 0

    @property
    def possible(self):
        """True where the run may go on after such a step."""
        return self.skips or self.scale.dynamic

    def note(self, progress, loss, norm):
        """True where the last step of `progress` counts; else it is counted as skipped.

        Moves the loss scale. Raises InputError where the step ends the run.
        """
        finite = math.isfinite(norm)
        if not math.isfinite(loss):
            self._refuse_or_skip(progress, loss, norm)
            return False
        if finite:
            self.in_a_row = 0
        elif not self.scale.can_fall(progress):
            self._refuse_or_skip(progress, loss, norm)
        before = progress.loss_scale
        self.scale.move(progress, finite)
        if progress.loss_scale < before:
            progress.skipped += 1
            self.log(
                f"epoch {progress.epoch + 1}, step {progress.step}: the gradients overflow; the step is skipped and the "
                f"loss scale falls from {before:g} to {progress.loss_scale:g}"
            )
        return finite

    def _refuse_or_skip(self, progress, loss, norm):
        progress.skipped += 1
        self.in_a_row += 1
        scaled = f" at loss scale {progress.loss_scale:g}" if self.scale.on else ""
        text = (
            f"epoch {progress.epoch + 1}, step {progress.step}: expected a finite loss and gradient norm, "
            f"got {loss} and {norm}{scaled}"
        )
        if not self.skips or self.in_a_row == MAX_CONSECUTIVE_SKIPS:
            many = (
                f" in {MAX_CONSECUTIVE_SKIPS} steps in a row"
                if self.in_a_row == MAX_CONSECUTIVE_SKIPS
                else ""
            )
            raise InputError(
                f"stage {self.name}, {text}{many}; the last run state and checkpoints are kept (a lower learning rate "
                "or train.clip_norm may help, train.on_nonfinite=skip skips single steps)"
            )
        self.log(f"{text}; the step is skipped")
