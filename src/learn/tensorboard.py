"""Event files for TensorBoard, an option: the metrics of each epoch as scalars over the epochs."""

import contextlib
import time

from src.common.errors import InputError
from src.common.files import reason


def tensorboard_library():
    """tensorboardX, imported only here. Raises InputError when the library is missing."""
    try:
        import tensorboardX
    except ImportError as error:
        raise InputError(
            f"train.summary: expected the library tensorboardX, got: {error}; pip install tensorboardX"
        ) from error
    return tensorboardX


class TensorBoardWriter:
    """Event file of this process in `folder`; made when the first record comes.

    Not by tensorboardX's SummaryWriter: its thread dies of a full disk unseen, and the next records wait for it for ever.
    """

    def __init__(self, folder):
        self.folder, self.writer = folder, None

    def write(self, record):
        """Write a metrics record to the disk. The first one also tells TensorBoard to forget that epoch and all later
        ones, which a process that was stopped before its run state was saved may have written.

        Raises InputError: the file cannot be written.
        """
        library, epoch = tensorboard_library(), record["epoch"]
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        try:
            if self.writer is None:
                self.writer = library.event_file_writer.EventsWriter(str(self.folder / "events"))
                start = SessionLog(status=SessionLog.START)
                self.writer.write_event(Event(wall_time=time.time(), step=epoch, session_log=start))
            for name, value in record.items():
                if name != "epoch":
                    summary = library.summary.scalar(name, value)
                    self.writer.write_event(Event(wall_time=time.time(), step=epoch, summary=summary))
            self.writer.flush()
        except OSError as error:
            raise InputError(
                f"{self.folder}: the files for TensorBoard (train.summary) cannot be written: {reason(error)}"
            ) from error

    def close(self):
        """Close the file; every record is on the disk already, unless it could not be written."""
        if self.writer is not None:
            with contextlib.suppress(OSError):
                self.writer.close()
