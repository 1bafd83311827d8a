"""Folders with files that are no pictures, or dangerous ones: left out and reported, or named at once; never a hang."""

import contextlib
import faulthandler
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from mindspore.dataset import vision

from src.common.errors import InputError
from src.data import create_dataset, images, load_rgb, transform_of
from src.data.skipped import lines, listed
from src.settings.config import load_config
from tests.faults import zoo
from tests.small import SMALL

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
SECONDS = 100  # in which a process must end; most of them are the start and the compiler
SETTINGS = (
    "data.source=imagenet", "data.image_size=16", "data.batch_size=4", "data.eval_batch_size=4", "data.memory=0",
    "data.crop_scale=[0.5,1.0]", "stage=teacher", *SMALL, "train.steps_per_epoch=1", "stages.teacher.epochs=1",
    "stages.teacher.warmup_epochs=0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def bounded(tmp_path, monkeypatch):
    """A test that hangs ends all tests, with what every thread is doing; MindSpore leaves a copy of a JPEG that it cannot
    decode in the current folder."""
    monkeypatch.chdir(tmp_path)
    faulthandler.dump_traceback_later(5 * SECONDS, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


def start(script, *arguments):
    """The finished process of a script; one that hangs raises."""
    command = [sys.executable, script, *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if key != "GLOG_v"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def settings(path, **values):
    return load_config(None, [*SETTINGS, f"data.path={path}", *(f"data.{k}={v}" for k, v in values.items())])


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def skipping(tmp_path_factory):
    """(process, output folder, bad files) of a training run over the whole zoo."""
    root = tmp_path_factory.mktemp("zoo")
    bad = zoo.put_all(root / "data")
    options = "--data_path", root / "data", "--output_dir", root / "out", "data.bad_images=skip"
    return start("train.py", *options, *SETTINGS), root / "out", bad


def test_a_run_leaves_bad_files_out_and_ends_with_their_list(skipping, tell):
    done, out, bad = skipping
    assert done.returncode == 0, done.stderr
    found = sorted(
        (record["path"], record["split"], record["reason"]) for record in records(out / "skipped.jsonl")
    )
    assert [each[:2] for each in found] == [each[:2] for each in bad]
    for (path, _, reason), (_, _, expected) in zip(found, bad):
        assert re.search(expected, reason), (path, reason)
    said = [line for line in done.stdout.splitlines() if line.startswith("skipped: ")]
    first, last = (f"skipped: {count} files that cannot be read" for count in (len(zoo.BAD), len(bad)))
    assert said[0].startswith(first) and said[len(said) // 2].startswith(last) and len(said) == 2 * 7
    assert str(out / "skipped.jsonl") in said[0] and f"... and {len(bad) - 5} more" in said[-1]
    assert "Warning" not in done.stderr + done.stdout and "Traceback" not in done.stderr
    sizes = re.search(r"images: (\d+) train, (\d+) val", done.stdout).groups()
    assert tuple(map(int, sizes)) == (len(zoo.GOOD) + 2, len(zoo.GOOD) + len(zoo.LATE) + 2)
    tell(
        "pictures: empty, cut off, no pictures, bombs, pipes, sockets, devices, links to nothing; bad_images=skip",
        "the run ends and lists each of them with its reason; whole pictures of any mode and size are read",
        len(bad),
    )


def test_a_run_that_leaves_nothing_out_ends_at_once_and_names_the_file(tmp_path, tell):
    bad = [each for each in zoo.put_all(tmp_path / "data") if each[1] == "train"]
    began = time.monotonic()
    done = start("train.py", "--data_path", tmp_path / "data", "--output_dir", tmp_path / "out", *SETTINGS)
    errors = done.stderr.splitlines()
    assert done.returncode == 2 and len(errors) == 1, done.stderr
    assert errors[0].startswith(f"error: {bad[0][0]}: expected a whole image file, got: ")
    assert f"({len(bad)} such files in all); data.bad_images=skip" in errors[0]
    assert not (tmp_path / "out").exists() and time.monotonic() - began < SECONDS / 2
    tell("pictures: the same files; bad_images=error", "one line names the first one; nothing is written", 1)


@pytest.mark.parametrize("name", ["pipe.jpg", "bomb.png"])
def test_a_prediction_of_a_bad_picture_is_one_message(skipping, tmp_path, name):
    _, out, _ = skipping
    make, reason = zoo.BAD[name]
    path = zoo.put(tmp_path, name, make)
    done = start("eval.py", "--checkpoint", out / "teacher" / "best.ckpt", "--image", path)
    assert done.returncode == 2 and not done.stdout and len(done.stderr.splitlines()) == 1, done.stderr
    assert re.match(rf"error: {path}: expected a whole image file, got: .*{reason}", done.stderr)


@pytest.mark.parametrize("name", zoo.GOOD, ids=ascii)
def test_a_whole_picture_of_any_kind_is_read(name, tmp_path):
    path = zoo.put(tmp_path, name, zoo.GOOD[name])
    assert images.look(path)[0] is None and images.fault(path) is None
    pixels = load_rgb(path)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    assert vision.RandomCropDecodeResize(16)(images.encoded(path)).shape == (16, 16, 3)


@pytest.mark.parametrize("name", [*zoo.BAD, *zoo.LATE], ids=ascii)
def test_a_bad_file_has_the_same_reason_wherever_it_is_opened(name, tmp_path):
    make, reason = {**zoo.BAD, **zoo.LATE}[name]
    path = zoo.put(tmp_path, name, make)
    if name in zoo.BAD:
        assert re.search(reason, images.look(path)[0])
    assert re.search(reason, images.fault(path))
    for read in (load_rgb, lambda path: images.load_centred(path, transform_of(settings(tmp_path).data))):
        with pytest.raises(images.UnreadableImage) as caught:
            read(path)
        assert re.search(reason, caught.value.cause)
    try:
        vision.Decode()(images.encoded(path))
    except (images.UnreadableImage, RuntimeError) as error:
        assert isinstance(error, images.UnreadableImage) or name.startswith("cut")
    else:
        pytest.fail("decoded")


@pytest.mark.parametrize("name", zoo.BAD, ids=ascii)
def test_each_bad_file_is_left_out_or_stops_the_run(name, tmp_path):
    make, reason = zoo.BAD[name]
    for split in ("train", "val"):
        for label in ("a", "b"):
            zoo.put(tmp_path / split / label, "whole.png", lambda: zoo.saved("PNG"))
    path = zoo.put(tmp_path / "val" / "a", name, make)
    assert create_dataset(settings(tmp_path, bad_images="skip"), "val").skipped[0][0] == str(path)
    with pytest.raises(
        InputError, match=f"^{re.escape(str(path))}: expected a whole image file, got: .*{reason}"
    ):
        create_dataset(settings(tmp_path, bad_images="error"), "val")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_without_permission_is_left_out_or_named():
    """Permissions do not bind root: the file is read as somebody else."""
    root = Path(tempfile.mkdtemp())  # not tmp_path, into which only its owner may look
    try:
        root.chmod(0o755)
        zoo.put_all(root)
        path = zoo.put(root / "val" / "b", "closed.png", lambda: zoo.saved("PNG"))
        path.chmod(0)
        os.seteuid(NOBODY)
        try:
            found = create_dataset(settings(root, bad_images="skip"), "val")
            assert found.skipped == [(str(path), "Permission denied")]
            with pytest.raises(InputError, match=f"^{path}: .*Permission denied"):
                create_dataset(settings(root), "val")
            with pytest.raises(InputError, match="closed.png: .*Permission denied"):
                load_rgb(path)
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(root)


def test_what_a_further_rank_finds_late_is_in_its_own_list(tmp_path):
    bad = [each for each in zoo.put_all(tmp_path / "data") if each[1] == "val"]
    data = [
        {
            split: create_dataset(settings(tmp_path / "data", bad_images="skip"), split, rank, 2)
            for split in ("train", "val")
        }
        for rank in (0, 1)
    ]
    (tmp_path / "out").mkdir()
    for rank in (0, 1):
        with listed(tmp_path / "out", data[rank], rank):
            assert (tmp_path / "out" / "skipped.jsonl").exists()
            assert not (tmp_path / "out" / "skipped.rank1.jsonl").exists()
            assert sum(len(labels) for _, labels in data[rank]["val"].epoch(0))
    first, second = (records(tmp_path / "out" / name) for name in ("skipped.jsonl", "skipped.rank1.jsonl"))
    assert len(first) + len(second) == len(zoo.BAD) + len(bad)
    assert sorted(each["path"] for each in first + second if each["split"] == "val") == [
        path for path, _, _ in bad
    ]
    assert second == [dict(path=p, split="val", reason=r) for p, r in data[1]["val"].skipped_late]


def test_ten_thousand_bad_files_are_a_few_lines():
    found = lines([(f"{number}\n\udcff.jpg", "cut off") for number in range(10_000)])
    assert found[0] == r"0\n\udcff.jpg: cut off" and found[5:] == ["... and 9995 more"]
    assert lines([("a.jpg", "cut off")]) == ["a.jpg: cut off"]


def damaged(content, generator):
    """Cut, or with some bits or a run of bytes changed."""
    content = bytearray(content)
    kind, place = generator.integers(3), int(generator.integers(len(content)))
    if kind == 0:
        return bytes(content[:place])
    if kind == 1:
        for bit in generator.integers(8 * len(content), size=generator.integers(1, 9)):
            content[bit // 8] ^= 1 << (bit % 8)
        return bytes(content)
    length = int(generator.integers(1, 64))
    run = (bytes(length), b"\xff" * length, generator.bytes(length))[generator.integers(3)]
    content[place : place + length] = run
    return bytes(content)


SOUND = {
    "jpeg": lambda: zoo.saved("JPEG"), "progressive": lambda: zoo.saved("JPEG", progressive=True),
    "png": lambda: zoo.saved("PNG"), "palette": lambda: zoo.saved("PNG", zoo.picture(mode="P")),
    "deep": zoo.GOOD["deep.png"], "gif": lambda: zoo.animated("GIF"), "webp": lambda: zoo.saved("WEBP"),
    "animated": lambda: zoo.animated("WEBP"), "bmp": lambda: zoo.saved("BMP"), "ppm": lambda: zoo.saved("PPM"),
    "tiff": lambda: zoo.saved("TIFF"), "lzw": lambda: zoo.saved("TIFF", compression="tiff_lzw"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOUND)
def test_a_damaged_file_is_read_or_refused_in_bounded_time(kind, tmp_path, often, tell):
    """After any change: pixels or UnreadableImage, and a file without a fault suits MindSpore's operators."""
    generator, content, path = np.random.default_rng(7), SOUND[kind](), tmp_path / "a.jpg"
    crop, times, read, longest = vision.RandomCropDecodeResize(16), often(200, 2000), 0, 0.0
    for _ in range(times):
        path.write_bytes(damaged(content, generator))
        began = time.monotonic()
        images.look(path)
        whole = images.fault(path) is None
        with contextlib.suppress(images.UnreadableImage):
            assert load_rgb(path).shape[2] == 3
            read += whole
        if whole:
            assert crop(images.encoded(path)).shape == (16, 16, 3)
        longest = max(longest, time.monotonic() - began)
    assert read < times and longest < SECONDS / 2
    tell(
        f"pictures: {kind} files cut off, with bits or bytes changed",
        "each is read or refused, none hangs",
        times,
    )
