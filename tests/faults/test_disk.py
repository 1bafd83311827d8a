"""Full disks, disks that turn read-only and folders that vanish: one clear line, and the last good state goes on."""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from src.commands.run_folder import write_summary
from src.common.errors import InputError
from src.common.files import PART
from src.learn.state import newest_state
from src.settings.config import load_config
from tests.faults.jobs import ROOT, assert_equal, environment, python, timeless, wait_for

EPOCHS = 4
RUN = (
    "stage=step1", "stages.step1.teacher=", "stages.step1.kd_alpha=0", f"stages.step1.epochs={EPOCHS}",
    "stages.step1.warmup_epochs=0", "train.steps_per_epoch=4", "data.image_size=8", "data.batch_size=16",
    "model.branches=[0,1,0,1]", "resume=true",
)  # fmt: skip
TRAINS, EPOCH = (
    "the training step",
    "epoch 1/",
)  # its lines at the beginning of training, and after the first epoch
STATE_BYTES = 14 << 20  # and some less; best.ckpt and last.ckpt have a third of them


def train(out, *overrides, words=None, act=None, **more):
    """(exit code, what it said) of train.py; act(its pid) is called as soon as a line has `words` in it."""
    command = python("train.py", "--output_dir", out, *RUN, *overrides)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    for line in process.stdout:
        said += line
        if act is not None and words in line:
            act(process.pid)
            act = None
    code = process.wait(timeout=60)
    assert act is None or words is None, said
    return code, said


def limit(size):
    """No file of a process may grow beyond so many bytes."""
    return lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


def assert_refused(outcome, *words):
    """Exit code 2, and one line that says why, with these words."""
    code, said = outcome
    errors = [line for line in said.splitlines() if "rror" in line]
    assert code == 2 and "Traceback" not in said and "Exception" not in said, said
    assert len(errors) == 1 and errors[0].startswith("error: "), said
    assert all(word in errors[0] for word in words), said


def assert_whole(out, epoch):
    """The newest state is whole and that of an epoch, and nothing half made is left."""
    _, state, faults = newest_state(out / "step1")
    assert state["run.epoch"].asnumpy() == epoch and not faults
    assert not list(out.rglob(f"*{PART}"))


def assert_same(out, whole):
    """A finished run is the one that nothing happened to."""
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(out / "step1" / name, whole / "step1" / name)
    assert timeless(out / "step1") == timeless(whole / "step1")
    assert not list(out.rglob(f"*{PART}"))
    with Image.open(out / "step1" / "curves.png") as picture:
        picture.load()


def assert_ends_as(out, whole):
    """Started again, the run ends as the one that nothing happened to."""
    code, said = train(out)
    assert code == 0, said
    assert_same(out, whole)


@pytest.fixture
def soak(request):
    """The long form alone."""
    if not request.config.getoption("--soak"):
        pytest.skip("--soak")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The output_dir of a run that nothing happens to."""
    out = tmp_path_factory.mktemp("whole") / "out"
    code, said = train(out)
    assert code == 0, said
    return out


@pytest.fixture(scope="module")
def one_epoch(whole, tmp_path_factory):
    """That of a run that had no space for the files of its second epoch."""
    out = tmp_path_factory.mktemp("one") / "out"
    assert_refused(train(out, words=EPOCH, act=limit(1 << 20)), ".ckpt: cannot be written: File too large")
    assert_whole(out, 1)
    return out


@pytest.fixture
def stopped(one_epoch, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(one_epoch, tmp_path / "out"))


def unmount(folder):
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    """disk(size) mounts a file system of so many bytes and gives its folder; again, it changes the size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        known = os.path.ismount(folder)
        options = f"remount,{options}" if known else options
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        if done.returncode:
            pytest.skip(f"mounting is not allowed: {done.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        unmount(folder)


def test_a_file_that_does_not_fit_is_named_and_the_state_before_it_goes_on(
    one_epoch, whole, tmp_path, often, tell
):
    """By a limit on the size of files, in the third epoch, in the long form again in the fourth: nothing else can be written
    then."""
    state = (STATE_BYTES * 3 // 4, "state.ckpt")
    pairs = [((900, "metrics.jsonl"), state), (state, (1300, "metrics.jsonl")), ((1 << 20, ".ckpt"),) * 2]
    pairs = often([pairs[0][:1]], pairs * 3)
    for number, faults in enumerate(pairs):
        out = Path(shutil.copytree(one_epoch, tmp_path / f"out{number}"))
        for done, (size, name) in enumerate(faults, start=2):
            outcome = train(out, words=f"epoch {done}/", act=limit(size))
            assert_refused(outcome, f"{name}: cannot be written: File too large")
            assert_whole(out, done)
        assert_ends_as(out, whole)
    tell("file too large", "metrics, weights or state did not fit; started again", sum(map(len, pairs)) + 1)


@pytest.mark.thorough
def test_a_disk_that_fills_up(disk, whole, often, tell):
    """A state, the one before it and the next one are there at once while it is written: with less, the run goes as far as
    it can, and on with more space."""
    sizes = often((3.2,), (0.3, 0.8, 1.4, 2.2, 3.2))  # in states
    for number, size in enumerate(sizes):
        out = disk(f"size={int(size * STATE_BYTES)}") / f"out{number}"
        outcome = train(out)
        assert_refused(outcome, "cannot be written: No space left on device", str(out))
        if size > 2:
            assert_whole(out, (2 if size > 3 else 1))
        assert not list(out.rglob(f"*{PART}"))
        disk(f"size={10 * STATE_BYTES}")
        assert_ends_as(out, whole)
        shutil.rmtree(out)
    tell(
        "disk full",
        f"a file system of {sizes[0] * STATE_BYTES / 1e6:.0f} to {sizes[-1] * STATE_BYTES / 1e6:.0f} MB filled up under the run; started again with more",
        len(sizes),
    )


def turn_read_only(folder):
    """Refused while a file is open for writing."""
    command = ["mount", "-o", "remount,ro", str(folder)]
    wait_for(lambda: subprocess.run(command, capture_output=True).returncode == 0, 20, "remount")


def test_a_disk_that_turns_read_only(soak, disk, whole, tell):
    times = 3
    for number in range(times):
        out = disk(f"size={10 * STATE_BYTES}") / f"out{number}"

        outcome = train(out, words=EPOCH, act=lambda pid, out=out: turn_read_only(out.parent))
        assert_refused(outcome, "cannot be written: Read-only file system")
        assert newest_state(out / "step1")[1]["run.epoch"].asnumpy() >= 1
        subprocess.run(["mount", "-o", "remount,rw", str(out.parent)], check=True)
        assert_ends_as(out, whole)
        shutil.rmtree(out)
    tell("disk turns read-only", "remounted under the run; started again with the disk writable", times)


def remove(folder):
    """At once, while files are made in it."""
    shutil.rmtree(folder.rename(folder.resolve().parent.parent / "removed"))


def test_a_folder_that_is_removed_is_named_and_not_made_anew(tmp_path, often, tell):
    """The stage's, or output_dir."""
    folders = often(1, 5) * ["step1"] + often(0, 5) * ["."]
    for number, gone in enumerate(folders):
        out = tmp_path / f"out{number}"
        outcome = train(out, words=EPOCH, act=lambda pid, path=out / gone: remove(path))
        assert_refused(outcome, str(out / "step1"), "cannot be written: No such file or directory")
        assert not (out / gone).exists()
    tell("folder removed", "the stage's, or output_dir, under the run", len(folders), "what was removed")


def test_output_dir_removed_before_the_summary_is_written(tmp_path):
    config = load_config(None, [f"output_dir={tmp_path / 'out'}"])
    with pytest.raises(InputError, match="summary.json: cannot be written: No such file or directory"):
        write_summary(config, {"name": "step1", "top1": 0.5})
    assert not (tmp_path / "out").exists()


def test_without_space_for_temporary_files_the_run_goes_on(soak, stopped, disk, whole, tell):
    folder = disk("size=64k")
    (folder / "full").write_bytes(bytes(60 << 10))
    code, said = train(stopped, TMPDIR=str(folder))
    assert code == 0 and "Traceback" not in said, said
    assert_same(stopped, whole)
    tell("no temporary space", "TMPDIR on a full file system: trained to the end", 1)


def test_without_space_for_the_cache_the_run_goes_on(soak, disk, tmp_path, tell):
    """It is slower then: the operators are not the project's own, and compile for a minute."""
    folder = disk("size=64k")
    code, said = train(tmp_path / "out", BIMLP_CACHE=str(folder / "cache"))
    assert code == 0 and "Traceback" not in said, said
    assert [line for line in said.splitlines() if "several times slower" in line and "No space left" in line]
    tell("no space in the cache", "BIMLP_CACHE on a full file system: trained to the end", 1)
