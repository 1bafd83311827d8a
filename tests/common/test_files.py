"""Files are written whole or not at all, and leave nothing else behind."""

import errno
import http.client
import json
import os
import resource
import socket
import ssl
import stat
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from src.common.errors import InputError
from src.common.files import (
    append_json_line,
    ensure_writable_dir,
    holding,
    read_file,
    read_json_lines,
    read_summary,
    reason,
    remove_parts,
    replacing,
    write_atomic,
)
from src.common.text import cut, one_line, printable

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("data", [b"\x00\xff", "grüße\n"])
def test_write_atomic_writes_exactly_the_data(tmp_path, data):
    path = tmp_path / "a.bin"
    write_atomic(path, data)
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode("utf-8"))
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(InputError if error is OSError else error), replacing(path) as temporary:
        temporary.write_text("half")
        (temporary.parent / "more.tmp").write_text("left by a library")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.name == path.name
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_full_disk_is_an_input_error_and_keeps_the_old_file(tmp_path, full_disk):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(InputError, match="a.txt: cannot be written: File too large"):
        write_atomic(path, b"x" * 20_000)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_refuses_a_missing_folder_and_names_that_are_no_file(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o750)
    for path in (tmp_path / "none" / "a", tmp_path / "folder", tmp_path / "folder" / "..", "/"):
        with pytest.raises(InputError, match="cannot be written"):
            write_atomic(path, "x")
    with (
        pytest.raises(InputError, match="expected the name of a file"),
        replacing(tmp_path / "folder" / ".."),
    ):
        pass
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750
    assert os.listdir(tmp_path) == ["folder"]


def test_json_lines_come_back_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records = [{"epoch": 1, "top1": 0.1}, {"epoch": 2, "name": "ü\n"}]
    for record in records:
        append_json_line(path, record)
    assert read_json_lines(path) == records
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("tail", [b'{"epoch": 2, "to', b'{"epoch": 2}', b"\xff"])
def test_an_unfinished_line_is_not_read_and_is_cut_off_by_the_next_append(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    append_json_line(path, {"epoch": 1})
    with open(path, "ab") as file:
        file.write(tail)
    assert read_json_lines(path) == [{"epoch": 1}]
    append_json_line(path, {"epoch": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"epoch": 1}, {"epoch": 2}]


def test_an_unfinished_first_line_is_cut_off_as_well(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epo')
    append_json_line(path, {"epoch": 1})
    assert path.read_bytes() == b'{"epoch": 1}\n'


def test_json_lines_refuse_what_is_no_json(tmp_path, full_disk):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(ValueError, match="JSON"):
        append_json_line(path, {"loss": float("nan")})
    path.write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(InputError, match="metrics.jsonl, line 2: expected one JSON value, got b'nonsense'"):
        read_json_lines(path)
    with pytest.raises(InputError, match="none: expected a file of JSON lines, got: No such file"):
        read_json_lines(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be written: File too large"):
        append_json_line(path, {"text": "x" * 20_000})


def test_ensure_writable_dir_makes_the_folder_and_leaves_no_file(tmp_path):
    ensure_writable_dir(tmp_path / "a" / "b")
    ensure_writable_dir(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(InputError, match=f"^{path}: expected a folder that can be written to, got: "):
            ensure_writable_dir(path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_takes_no_files_is_refused_even_for_root(tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match="^/proc/self/bimlp: expected a folder that can be written to, got: "
    ):
        ensure_writable_dir("/proc/self/bimlp")

    def read_only(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("src.common.files.tempfile.NamedTemporaryFile", read_only)
    with pytest.raises(InputError, match="got: Read-only file system"):
        ensure_writable_dir(tmp_path / "a" / "b")
    with pytest.raises(InputError, match="got: Read-only"), holding(tmp_path / "c" / "d"):
        pass
    assert os.listdir(tmp_path) == ["a"]


# --- reading what others wrote ---


def test_read_file_takes_regular_files_and_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    assert read_file(tmp_path / "a") == read_file(str(tmp_path / "link"), 3) == b"abc"
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match=f"^{path}: expected a file, got: .*not a regular file$"):
            read_file(path)
    with pytest.raises(InputError, match="^the net: expected weights, got: Is a directory$"):
        read_file(tmp_path, name="the net", expected="weights")
    with pytest.raises(InputError, match="a: expected a file of at most 2 bytes, got 3$"):
        read_file(tmp_path / "a", 2)
    for path in ("a\0b", tmp_path / ("x" * 300), tmp_path / "none", tmp_path / "a" / "b"):
        with pytest.raises(InputError, match="expected a file, got: "):
            read_file(path)
    assert read_file("/proc/self/status") == b""  # no more than its size says, which is 0


def test_a_file_larger_than_the_memory_is_refused(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 33)  # a hole: it takes no place on the disk
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        with pytest.raises(InputError, match="large: expected a file, got: more than fits the memory"):
            read_file(tmp_path / "large")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "[[]]", '{"stages": [3]}', '{"stages": [{}]}', '{"stages": 1}', "[" * 10**5]
)
def test_a_summary_that_train_py_did_not_write_is_refused(tmp_path, text):
    assert read_summary(tmp_path / "summary.json") == {}
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match="summary.json: expected the summary of a run, got something else"):
        read_summary(tmp_path / "summary.json")


# --- showing it ---


def test_what_a_terminal_would_obey_is_shown_as_an_escape():
    text = "a\x1b[2J\r\n\t\x9b\u202eé猫\udcff\0"
    assert printable(text) == r"a\x1b[2J\r\n\t\x9b\u202eé猫\udcff\x00"
    assert one_line("two\nlines\x1b") == r"two lines\x1b"


def test_a_long_message_keeps_its_beginning_and_end():
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 10) == "abcd...ijk"
    line = one_line(f"begin{chr(7) * 10**6}end")
    assert len(line) == 1000 and line.startswith("begin") and line.endswith("end")


def test_the_file_before_is_kept_where_that_is_wanted(tmp_path):
    path, previous = tmp_path / "a", tmp_path / "b"
    for text in ("one", "two", "three"):
        with replacing(path, previous) as temporary:
            temporary.write_text(text)
    assert (path.read_text(), previous.read_text()) == ("three", "two")
    with pytest.raises(KeyError), replacing(path, previous) as temporary:
        temporary.write_text("four")
        raise KeyError
    assert (path.read_text(), previous.read_text()) == ("three", "two")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from src.common.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n    temporary.write_text('half'); os._exit(9)"
    )
    (tmp_path / ".hidden").write_text("mine")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], cwd=ROOT).returncode == 9
    assert len(os.listdir(tmp_path)) == 2
    remove_parts(tmp_path)
    assert os.listdir(tmp_path) == [".hidden"]


def test_a_folder_is_held_by_one_process(tmp_path):
    folder = tmp_path / "new"
    code = (
        "import sys; from src.common.errors import InputError; from src.common.files import holding\n"
        "try:\n    with holding(sys.argv[1]): pass\nexcept InputError as error:\n    sys.exit(str(error))"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with holding(folder):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (1, f"{folder}: another process is training here\n")
    assert subprocess.run(command, cwd=ROOT).returncode == 0


def test_a_folder_that_was_made_to_be_held_and_stays_empty_is_removed(tmp_path):
    with pytest.raises(ZeroDivisionError), holding(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
        _ = 1 / 0
    assert os.listdir(tmp_path) == []
    with holding(tmp_path / "a" / "b"):
        (tmp_path / "a" / "file").touch()
    assert os.listdir(tmp_path / "a") == ["file"]


def test_a_folder_that_cannot_be_made_is_not_held(tmp_path):
    (tmp_path / "file").touch()
    message = "file: expected a folder that can be written to, got: File exists"
    with pytest.raises(InputError, match=message), holding(tmp_path / "file"):
        pass


@pytest.fixture
def umask():
    """umask(mask) sets that of this process until the test's end."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask, mode", [(0o077, 0o600), (0o027, 0o640), (0o002, 0o664), (0o022, 0o644)])
def test_new_files_and_folders_heed_the_umask(umask, tmp_path, mask, mode):
    """With any mode of the writer."""
    umask(mask)
    write_atomic(tmp_path / "whole", b"x")
    with replacing(tmp_path / "secret") as temporary:
        temporary.touch(0o400)
    append_json_line(tmp_path / "lines", {"a": 1})
    ensure_writable_dir(tmp_path / "folder" / "inner")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"whole": mode, "secret": mode, "lines": mode, "folder": mode | (0o111 & ~mask)}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a path"), "No space left on device"),
        (OSError("x.so: failed to map segment"), "x.so: failed to map segment"),  # dlopen's
        (urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")), "Connection refused"),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (urllib.error.URLError("no host given"), "<urlopen error no host given>"),
        (urllib.error.HTTPError("http://x", 404, "Not Found", {}, None), "HTTP Error 404: Not Found"),
        (http.client.RemoteDisconnected("Remote end closed connection"), "Remote end closed connection"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate verify failed"),
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(), "TimeoutError, which says no more"),
    ],
)  # fmt: skip
def test_the_reason_of_an_error_is_its_words(error, words):
    assert reason(error) == words
