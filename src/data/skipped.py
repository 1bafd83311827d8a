"""Report of the skipped files (data.bad_images=skip): a list on the disk, and a few lines."""

import contextlib
import json
from pathlib import Path

from src.common.errors import InputError
from src.common.files import write_atomic

MAX_FILES = 5  # in the lines; thousands may be bad
LIST, LISTS = "skipped.jsonl", "skipped*.jsonl"


def lines(entries):
    """The first few files with their reasons, a line for each, and how many more there are.

    Args:
        entries: [(path, reason)].
    """
    shown = [f"{_printable(path)}: {_printable(reason)}" for path, reason in entries[:MAX_FILES]]
    more = len(entries) - len(shown)
    return shown + ([f"... and {more} more"] if more else [])


def list_path(folder, rank):
    """The list's file. Every rank has the files that it found itself, the first also those found at the start."""
    return Path(folder) / (LIST if rank == 0 else LIST.replace(".", f".rank{rank}."))


def remove_lists(folder):
    """Remove the lists of an earlier run, which may have had more ranks."""
    for path in Path(folder).glob(LISTS):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def listed(folder, data, rank):
    """Context manager: list the skipped files in `folder` at once, and again on leaving with those found meanwhile.

    The list holds a record of path, split and reason per file. It is not made where there is nothing to list.

    Args:
        folder: for the list; it is there.
        data: split's name -> Dataset.
        rank: this process.

    Raises:
        InputError: the list cannot be written.
    """
    write_list(folder, data, rank)
    try:
        yield
    except BaseException:
        with contextlib.suppress(InputError):  # the error that ended the run matters more
            write_list(folder, data, rank)
        raise
    write_list(folder, data, rank)


def write_list(folder, data, rank):
    """Write the list once; see `listed`."""
    records = [
        {"path": name, "split": split, "reason": reason}
        for split, dataset in data.items()
        for name, reason in (dataset.skipped_late if rank else dataset.skipped)
    ]
    if records:
        write_atomic(
            list_path(folder, rank), "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
        )


def _printable(text):
    """Text for a line: line ends, and bytes of a name that are no UTF-8, by their codes."""
    return text if text.isprintable() else repr(text)[1:-1]
