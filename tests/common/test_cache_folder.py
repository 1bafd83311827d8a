"""Where compiled code is kept: a folder that this user alone can write, or one line that names BIMLP_CACHE."""

import os
import pwd
import re
import stat
import tempfile

import pytest

from src.common.cache_folder import cache_dir
from src.common.errors import InputError

ROOT = os.geteuid() == 0
ME = os.geteuid()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with home/ and temporary/; the environment names these and no cache."""
    for name in ("BIMLP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, variable in (("home", "HOME"), ("temporary", "TMPDIR")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def refused(words):
    said = "expected a folder for compiled code that this user alone can write, got: "
    return pytest.raises(InputError, match=f"{said}{re.escape(words)}.*; BIMLP_CACHE names another")


def test_the_folder_is_named_or_in_the_users_cache_and_for_the_user_alone(place, monkeypatch):
    assert cache_dir() == place / "home" / ".cache" / "bimlp"
    assert stat.S_IMODE(cache_dir().stat().st_mode) == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "xdg"))
    assert cache_dir() == place / "xdg" / "bimlp"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == place / "home" / ".cache" / "bimlp"
    monkeypatch.chdir(place)
    monkeypatch.setenv("BIMLP_CACHE", "named")
    assert cache_dir() == place / "named"  # absolute: a library without a slash is looked for elsewhere


def nobody(name):
    raise KeyError(f"getpwuid(): uid not found: {name}")


@pytest.mark.parametrize("home", [None, "relative", "/proc"])
def test_without_a_home_that_can_be_written_it_is_among_the_temporary_files(place, monkeypatch, home):
    if home is None:  # a user's number that no list of users has
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", nobody)
    else:
        monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(place)
    path = place / "temporary" / f"bimlp-{ME}"
    assert cache_dir() == path and cache_dir() == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o700 and os.listdir(place) == ["home", "temporary"]


def test_a_folder_of_the_usual_name_that_is_not_the_users_alone_is_passed_over(place):
    usual = place / "home" / ".cache" / "bimlp"
    usual.mkdir(parents=True)
    usual.chmod(0o777)
    assert cache_dir() == place / "temporary" / f"bimlp-{ME}"
    assert stat.S_IMODE(usual.stat().st_mode) == 0o777


def test_a_named_folder_in_which_everyone_can_write_is_refused(place, monkeypatch):
    monkeypatch.setenv("BIMLP_CACHE", str(place))
    place.chmod(0o777)
    with refused("one in which everyone can write"):
        cache_dir()
    place.chmod(0o755)
    assert cache_dir() == place


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_a_folder_of_another_user_or_group_is_refused(place, monkeypatch):
    monkeypatch.setenv("BIMLP_CACHE", str(place))
    os.chown(place, 12345, 12345)
    with refused("one in which user 12345 can write"):
        cache_dir()
    os.chown(place, ME, 12345)
    place.chmod(0o775)
    with refused("one in which group 12345 can write"):
        cache_dir()
    os.chown(place, ME, ME)  # the user's own group
    assert cache_dir() == place


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_a_temporary_folder_that_another_user_made_first_is_refused(place, monkeypatch):
    monkeypatch.setenv("HOME", "/proc")
    path = place / "temporary" / f"bimlp-{ME}"
    path.mkdir(mode=0o755)
    os.chown(path, 12345, 12345)
    with refused("one of another user, or a link"):
        cache_dir()


def test_a_link_in_the_place_of_the_temporary_folder_is_refused(place, monkeypatch):
    monkeypatch.setenv("HOME", "/proc")
    (place / "temporary" / f"bimlp-{ME}").symlink_to(place / "home")
    with refused("one of another user, or a link"):
        cache_dir()


def test_temporary_files_that_anyone_can_rename_are_refused(place, monkeypatch):
    monkeypatch.setenv("HOME", "/proc")
    (place / "temporary").chmod(0o777)
    with refused("one in which everyone can rename it"):
        cache_dir()
    (place / "temporary").chmod(0o1777)
    assert cache_dir() == place / "temporary" / f"bimlp-{ME}"


def test_in_a_named_folder_that_all_users_share_it_is_the_users_own(place, monkeypatch):
    monkeypatch.setenv("BIMLP_CACHE", str(place))
    place.chmod(0o1777)
    assert cache_dir() == place / f"bimlp-{ME}"
    cache_dir().chmod(0o757)
    with refused("one in which everyone can write"):
        cache_dir()


def test_a_file_in_the_way_is_named(place, monkeypatch):
    (place / "file").write_text("in the way")
    for path, words in ((place / "file", "File exists"), (place / "file" / "cache", "File exists")):
        monkeypatch.setenv("BIMLP_CACHE", str(path))
        with refused(words):
            cache_dir()
