"""MindCV's published weights: downloaded by MindCV, or refused in one line."""

import contextlib
import http.client
import os
import socket
import ssl
from pathlib import Path

from src.common.errors import InputError
from src.common.files import reason

TIMEOUT = 60.0  # seconds without a byte, after which a download fails; MindCV waits for ever
# errors that MindCV lets through: of the network and the file system; of a file that is no checkpoint, or another network's
FAILURES = (OSError, http.client.HTTPException, ValueError, RuntimeError, KeyError, TypeError)


def published(name, create, instead):
    """create(), a network of MindCV with its published weights.

    MindCV takes any file that is there for complete: the rest of a failed attempt is removed.

    Args:
        name: the model's.
        instead: the setting by which a file can be given, for messages.

    Raises:
        InputError: there are none; they cannot be downloaded or read.
        ValueError: as `create` for a name that MindCV does not know.
    """
    import mindcv
    from mindcv.models.registry import get_pretrained_cfg_value, is_model_pretrained

    if not mindcv.is_model(name):
        return create()
    if not is_model_pretrained(name):
        raise InputError(
            f"{name}: expected a model whose weights MindCV publishes, got one without; give {instead}"
        )
    address = get_pretrained_cfg_value(name, "url")
    path = _place_of(address)
    was_there = path.exists()
    try:
        with _as_it_was():
            return create()
    except BaseException as error:
        if not was_there:
            path.unlink(missing_ok=True)
        if not isinstance(error, FAILURES):
            raise
        where = f"in {path} (remove that file to download it again)" if was_there else f"from {address}"
        raise InputError(
            f"{name}: expected MindCV's published weights {where}, got: {reason(error)}; or give {instead}"
        ) from error


def _place_of(address):
    """Path of MindCV's file."""
    from mindcv.models.helpers import get_checkpoint_download_root

    return Path(get_checkpoint_download_root()) / os.path.basename(address)


@contextlib.contextmanager
def _as_it_was():
    """Context manager: downloads end after a time of silence; then sockets wait, and certificates are checked, as before.

    MindCV leaves the check off in the whole process when its last attempt fails.
    """
    context, wait = ssl._create_default_https_context, socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(wait)
        ssl._create_default_https_context = context
