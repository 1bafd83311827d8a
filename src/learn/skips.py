"""Steps whose loss or gradient norm is not finite: they are left out, or end the run, as train.on_nonfinite says."""

import math

from src.errors import InputError

MOST_SKIPPED = 50  # steps in a row whose numbers are not finite, before a run that skips such ends


class Skips:
    """The steps of one stage that were left out.

    Args:
        name: of the stage.
        skips: whether such steps are left out; else the first one ends the run.
        speak: called with one text.
    """

    def __init__(self, name, skips, speak):
        self.name, self.skips, self.speak = name, skips, speak
        self.in_a_row = 0

    def note(self, progress, loss, norm):
        """Whether the step just done, the last one of `progress`, counts; one that does not is counted as skipped.

        Raises InputError where it ends the run.
        """
        if math.isfinite(loss) and math.isfinite(norm):
            self.in_a_row = 0
            return True
        progress.skipped += 1
        self.in_a_row += 1
        text = (
            f"epoch {progress.epoch + 1}, step {progress.step}: expected a finite loss and gradient norm, "
            f"got {loss} and {norm}"
        )
        if not self.skips or self.in_a_row == MOST_SKIPPED:
            many = f" in {MOST_SKIPPED} steps in a row" if self.in_a_row == MOST_SKIPPED else ""
            raise InputError(
                f"stage {self.name}, {text}{many}; the last run state and checkpoints are kept (a lower learning rate "
                "or train.clip_norm may help, train.on_nonfinite=skip leaves single steps out)"
            )
        self.speak(f"{text}; the step is left out")
        return False
