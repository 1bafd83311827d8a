"""scripts/run_distribute_train.sh and eval.py as a launcher starts them."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from src.common.errors import InputError
from src.learn.parallel import start_workers
from tests.faults.jobs import ROOT, environment, free_port

TINY = (
    "stage=teacher", "stages.teacher.epochs=1", "stages.teacher.warmup_epochs=0", "train.steps_per_epoch=2",
    "data.image_size=8", "stages.teacher.model=mobilenet_v1_025",
)  # fmt: skip


def launch(folder, *arguments, **variables):
    """The finished script; its logs are in folder/log, its output_dir is folder/out."""
    variables |= {
        "VENV": str(folder / "none"),
        "LOG_DIR": str(folder / "log"),
        "MASTER_PORT": str(free_port()),
    }
    return subprocess.run(
        ["bash", ROOT / "scripts/run_distribute_train.sh", *arguments, "--output_dir", folder / "out"],
        env=environment(**variables), cwd=folder, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """(finished script, folder) of a training on one device."""
    folder = tmp_path_factory.mktemp("one")
    return launch(folder, "1", "", "", *TINY), folder


def test_one_device_trains_once(one_device):
    done, folder = one_device
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    logs = {path.name: path.read_text() for path in (folder / "log").iterdir()}
    epochs = {name: text.count("teacher: epoch 1/1") for name, text in logs.items()}
    assert epochs == {"worker_0.log": 1, "scheduler.log": 0}
    assert (folder / "out" / "teacher" / "best.ckpt").is_file()


def test_one_worker_of_several_prints_a_prediction(one_device, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    checkpoint = one_device[1] / "out" / "teacher" / "best.ckpt"
    words = (
        "--worker_num=2",
        "--local_worker_num=2",
        f"--master_port={free_port()}",
        "--join=True",
        "--bind_core=True",
    )
    command = [
        *words,
        f"--log_dir={tmp_path}",
        ROOT / "eval.py",
        "--checkpoint",
        checkpoint,
        "--image",
        picture,
    ]
    done = subprocess.run(
        ["msrun", *command], env=environment(), cwd=tmp_path, stdout=subprocess.DEVNULL, timeout=200
    )
    assert done.returncode == 0
    printed = [(tmp_path / f"worker_{rank}.log").read_text().count(str(picture)) for rank in (0, 1)]
    assert printed == [1, 0]


def test_the_last_line_is_the_cause(tmp_path):
    done = launch(tmp_path, "2", "", "", "data.batch_sizes=3")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(r"error: workers? [01](, 1)?: command line: unknown key data.batch_sizes", last)


@pytest.mark.parametrize("devices", ["", "two", "0", "-1", "08", "2.5", "12345"])
def test_a_number_of_devices_that_is_none_is_refused(tmp_path, devices):
    done = launch(tmp_path, devices, "", "")
    message = f"error: DEVICE_NUM: expected a whole number from 1 to 9999, got '{devices}'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"NODE_NUM": "two"}, "NODE_NUM: expected a whole number from 1 to 9999, got 'two'"),
        ({"NODE_NUM": "2", "NODE_RANK": "2"}, "NODE_RANK: expected a number below NODE_NUM=2, got 2"),
        ({"NODE_NUM": "2", "NODE_RANK": "-1"}, "NODE_RANK: expected a whole number from 1 to 9999, got '-1'"),
        ({"NODE_NUM": "2"}, "NODE_NUM=2: expected the address of host 0 in MASTER_ADDR, got none"),
    ],
)
def test_a_place_among_hosts_that_is_none_is_refused(tmp_path, variables, message):
    done = launch(tmp_path, "2", "", "", **variables)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize("path", ["nowhere", "~/nowhere", "/nowhere/a b"])
def test_a_path_where_nothing_is_is_refused(tmp_path, path):
    for name, arguments in (("DATA_PATH", ("2", path)), ("CONFIG_PATH", ("2", "", path))):
        done = launch(tmp_path, *arguments, HOME=str(tmp_path))
        message = f"error: {name}: expected something that exists, got {path}\n"
        assert (done.returncode, done.stderr) == (2, message)


def test_left_over_variables_of_a_launcher_are_refused(monkeypatch):
    for name, value in (("MS_WORKER_NUM", ""), ("MS_WORKER_NUM", "2"), ("MS_ROLE", "MS_SCHED")):
        with monkeypatch.context() as patch, pytest.raises(InputError, match=name):
            patch.setenv(name, value)
            start_workers()
