"""Output of the programs: remarks, which may be lost, and results, which must not be.

A remark accompanies a command whose results are files: a broken stream must not end that command. A result answers the
command.
"""

import contextlib
import io
import os
import sys

from .errors import InputError
from .files import reason
from .text import printable


class Nowhere(io.TextIOWrapper):
    """Stands for a stream that was closed when the process began: all text written to it is lost."""


class ReaderGone(Exception):
    """Nobody reads the results any more, as behind `| head`."""


def prepare_streams():
    """Give descriptors 0, 1 and 2 that are closed to the null device, and make all three streams writable text.

    Else the next file that is opened gets such a descriptor, and log lines of libraries are written over it. Characters
    that a stream's encoding lacks are written as escapes.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Nowhere(open(os.devnull, "wb"), encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def remark(text, stream=None):
    """Write one printable line to `stream` (stdout if None) at once; it is lost where the stream cannot be written."""
    stream = sys.stdout if stream is None else stream
    with contextlib.suppress(OSError, ValueError, AttributeError):  # full, broken; closed; None
        stream.write(f"{printable(text)}\n")
        stream.flush()


def warn(text):
    """A remark on stderr."""
    if sys.stderr is not None:
        remark(text, sys.stderr)


def expect_stdout():
    """Raises InputError where stdout, which results go to, was closed when the process began."""
    if sys.stdout is None or isinstance(sys.stdout, Nowhere):
        raise InputError("standard output: expected a stream for the results, got a closed one")


def result(text):
    """Write a text and a line end to stdout at once.

    Raises:
        InputError: it cannot be written.
        ReaderGone: its reader has closed it.
    """
    expect_stdout()
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        raise InputError(f"standard output: the results cannot be written: {reason(error)}") from error


def is_terminal(stream):
    """True for an open stream that is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False


def settle_streams():
    """Write out what remarks have left in the streams' buffers, or give it up: at its end the interpreter would turn a
    stream that cannot be flushed into exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
