"""Summary files for TensorBoard, an option: the metrics of each epoch as scalars over the epochs."""

from src.errors import InputError

FLUSH_SECONDS = (
    1  # an epoch is on the disk that much after its end; SummaryWriter.flush does not wait for its queue
)


def summary_writer():
    """tensorboardX's SummaryWriter, imported only here. Raises InputError when the library is missing."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            f"train.summary: expected the library tensorboardX, came: {error}; pip install tensorboardX"
        ) from error
    return SummaryWriter


class Summary:
    """The summary file of this process in `folder`; made when the first record comes."""

    def __init__(self, folder):
        self.folder, self.writer = folder, None

    def write(self, record):
        """A metrics record. The first one also tells TensorBoard to forget that epoch and all later ones, which a
        process that was stopped before its run state was saved may have written."""
        epoch = record["epoch"]
        if self.writer is None:
            self.writer = summary_writer()(str(self.folder), purge_step=epoch, flush_secs=FLUSH_SECONDS)
        for name, value in record.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, epoch)

    def close(self):
        """Write what is left to the disk."""
        if self.writer is not None:
            self.writer.close()
