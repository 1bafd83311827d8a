"""Commands called in this process, where the framework is loaded already: what a process of their own would give."""

import contextlib
import io
from types import SimpleNamespace
from unittest import mock

import mindspore as ms

from src.settings.command_line import run


def call(main, *arguments):
    """Result of a command as of `subprocess.run`: returncode, stdout, stderr.

    The device and deterministic operators, which a process can choose once, are not chosen.
    """
    out, err, mode = io.StringIO(), io.StringIO(), ms.get_context("mode")
    try:
        with (
            mock.patch.object(ms, "set_device", lambda name: None),
            mock.patch.object(ms, "set_deterministic", lambda on: None),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run(main, list(map(str, arguments)))
    finally:
        ms.set_context(mode=mode)
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
