"""Decorations of a run, which must not end it: the picture of its curves and the files for TensorBoard."""

from src.common.text import one_line

from .records import draw_curves
from .tensorboard import TensorBoardWriter


class Decoration:
    """The picture and, where `summary` asks for them, the TensorBoard files of one stage, written after each epoch.

    A picture that cannot be drawn is tried again after the next epoch; TensorBoard ends with its first fault. Each fault
    is logged once.

    Args:
        log: function of one text.
    """

    def __init__(self, folder, title, summary, log):
        self.folder, self.title, self.log = folder, title, log
        self.tensorboard = TensorBoardWriter(folder) if summary else None
        self.told = False

    def write(self, record):
        """Show an epoch's record, which metrics.jsonl holds already."""
        self.draw()
        if self.tensorboard is not None:
            try:
                self.tensorboard.write(record)
            except Exception as error:
                self.log(f"{one_line(error)}; training goes on without TensorBoard")
                self.close()
                self.tensorboard = None

    def draw(self):
        """Draw the curves of all epochs in metrics.jsonl."""
        try:
            draw_curves(self.folder, self.title)
        except Exception as error:  # matplotlib's own are of many kinds
            if not self.told:
                self.log(f"the curves cannot be drawn: {one_line(error)}; training goes on")
            self.told = True

    def close(self):
        """Close the files."""
        if self.tensorboard is not None:
            self.tensorboard.close()
