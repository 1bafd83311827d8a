"""Folder of compiled code for later processes. Its code is run, so nobody else may write there."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from src.common.errors import InputError
from src.common.files import reason

ANOTHER = "BIMLP_CACHE names another"  # the way out, of messages


def cache_dir():
    """Folder of compiled libraries and graphs, absolute, made where it is missing.

    BIMLP_CACHE; else bimlp in the user's cache folder (XDG_CACHE_HOME, ~/.cache); where there is none that can be
    written, the folder of temporary files. In a folder that all users share, as that, it is bimlp-<user's number>.

    Raises:
        InputError: it cannot be made, or another user can write there.
    """
    named = os.environ.get("BIMLP_CACHE")
    if named:
        return _made(Path(named).absolute())
    usual = _users_own()
    if usual is not None:
        with contextlib.suppress(InputError):
            path = _made(usual)
            if os.access(path, os.W_OK | os.X_OK):
                return path
    try:
        return _within(Path(tempfile.gettempdir()).absolute())
    except OSError as error:
        raise _refused("a folder for temporary files", reason(error)) from error


def _users_own():
    """The usual place, or None for a user without a home."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not base.is_absolute():  # not given, or to be ignored
            base = Path.home() / ".cache"
    except RuntimeError:  # a user's number without a name
        return None
    return base / "bimlp" if base.is_absolute() else None


def _made(path):
    """The folder, made where it is missing, or the user's own within one that all share. Raises InputError."""
    try:
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        status = os.stat(path)
        others = _others_write(status)
        if others and status.st_mode & stat.S_ISVTX:
            return _within(path)
    except OSError as error:
        raise _refused(path, reason(error)) from error
    if others:
        raise _refused(path, f"one in which {others} can write")
    return path


def _within(parent):
    """The user's own folder in one that others may share. Its name can be guessed: it must not be another's, nor a link.

    Raises InputError; OSError as the system does.
    """
    status = os.stat(parent)
    if _others_write(status) and not status.st_mode & stat.S_ISVTX:
        raise _refused(parent, f"one in which {_others_write(status)} can rename it")
    path = parent / f"bimlp-{os.geteuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
        raise _refused(path, "one of another user, or a link")
    if _others_write(status):
        raise _refused(path, f"one in which {_others_write(status)} can write")
    return path


def _others_write(status):
    """Others than this user and root who can write in a folder of that status, in words; "" for nobody.

    A group with the user's own number is the user's own, by the convention of Linux systems that then let groups write.
    """
    if status.st_uid not in (0, os.geteuid()):
        return f"user {status.st_uid}"
    if status.st_mode & stat.S_IWOTH:
        return "everyone"
    own_group = status.st_gid == status.st_uid
    return f"group {status.st_gid}" if status.st_mode & stat.S_IWGRP and not own_group else ""


def _refused(path, got):
    return InputError(
        f"{path}: expected a folder for compiled code that this user alone can write, got: {got}; {ANOTHER}"
    )
