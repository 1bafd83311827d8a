"""train.py, eval.py and export.py as a user starts them: the whole way on few steps, and what bad input gets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("train.steps_per_epoch=2", "data.image_size=8", "data.batch_size=16") + tuple(
    f"stages.{stage}.{key}"
    for stage in ("teacher", "step1", "step2")
    for key in ("epochs=1", "warmup_epochs=0")
)


def start(script, *arguments):
    """The finished process of a script, started from the project's folder."""
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def succeed(script, *arguments):
    done = start(script, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of a run of all stages."""
    out = tmp_path_factory.mktemp("runs") / "out"
    succeed("train.py", "--output_dir", out, *SHORT)
    return out


def test_all_stages_leave_their_files_and_the_summary(trained):
    stages = json.loads((trained / "summary.json").read_text())["stages"]
    assert [stage["name"] for stage in stages] == ["teacher", "step1", "step2"]
    assert {"epochs", "top1", "top5", "seconds", "images_per_second"} <= stages[0].keys()
    for stage in stages:
        names = {path.name for path in (trained / stage["name"]).iterdir()}
        assert names == {"config.yaml", "metrics.jsonl", "curves.png", "best.ckpt", "last.ckpt", "state.ckpt"}


def test_evaluation_prints_the_score_of_the_summary(trained):
    best = trained / "step2" / "best.ckpt"
    last_line = succeed("eval.py", "--checkpoint", best).splitlines()[-1]
    score = json.loads(succeed("eval.py", "--checkpoint", best, "--json"))
    assert set(score) == {"top1", "top5", "correct", "total", "images_per_second"} and score["total"] == 360
    assert last_line == f"top1 = {score['top1']:.4f} ({score['correct']}/360)"
    summary = json.loads((trained / "summary.json").read_text())["stages"][-1]
    assert summary["top1"] == score["top1"] == score["correct"] / 360


def test_pictures_of_any_mode_are_predicted(trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 4), dtype=np.uint8)
    pictures = {
        "grey.png": Image.fromarray(pixels[..., 0]),
        "alpha.png": Image.fromarray(pixels, "RGBA"),
        "deep.png": Image.fromarray(pixels[..., 0].astype(np.uint16) * 257),
        "print.jpg": Image.fromarray(pixels, "CMYK"),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    files = [tmp_path / name for name in pictures]
    best = trained / "step2" / "best.ckpt"
    lines = succeed("eval.py", "--checkpoint", best, "--image", *files).splitlines()
    assert lines[::6] == [str(file) for file in files]
    for place, line in enumerate(lines):
        assert place % 6 == 0 or re.fullmatch(r" +[01]\.\d{4}  \d", line)


def picture_folder(root, train=("a", "b"), val=("a", "b"), count=2):
    for split, classes in (("train", train), ("val", val)):
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.full((12, 12, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return root


def no_such_folder(tmp_path, trained):
    return ["train.py", "data.source=imagenet", "--data_path", tmp_path / "nowhere"], "nowhere"


def empty_class(tmp_path, trained):
    (picture_folder(tmp_path / "data") / "train" / "c").mkdir()
    (tmp_path / "data" / "val" / "c").mkdir()
    return ["train.py", "data.source=imagenet", "--data_path", tmp_path / "data"], r"train.c\b.*"


def no_pictures(tmp_path, trained):
    folder = picture_folder(tmp_path / "data", count=0)
    return ["train.py", "data.source=imagenet", "--data_path", folder], "data"


def broken_picture(tmp_path, trained):
    folder = picture_folder(tmp_path / "data")
    bad = folder / "train" / "a" / "1.png"
    bad.write_bytes(bad.read_bytes()[:40])
    return ["train.py", "data.source=imagenet", "--data_path", folder, "data.batch_size=2"], re.escape(
        str(bad)
    )


def unknown_key(tmp_path, trained):
    return ["train.py", "train.weight_decai=0.1"], "train.weight_decai.*train.weight_decay"


def mistyped_value(tmp_path, trained):
    return ["train.py", "data.batch_size=many"], "data.batch_size.*many"


def missing_key(tmp_path, trained):
    settings = (trained / "step2" / "config.yaml").read_text()
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "config.yaml").write_text(re.sub(r"\n  batch_size: \d+", "", settings))
    (folder / "best.ckpt").write_bytes((trained / "step2" / "best.ckpt").read_bytes())
    return ["eval.py", "--checkpoint", folder / "best.ckpt"], "data.batch_size"


def unknown_model(tmp_path, trained):
    return ["train.py", "model.name=bimlp_x"], "bimlp_x.*bimlp_"


def long_warm_up(tmp_path, trained):
    return ["train.py", "stages.teacher.epochs=1"], "stages.teacher.warmup_epochs.*1 epochs, got 2"


def other_architecture(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["eval.py", "--checkpoint", best, "model.branches=[2,2,2,1]"], "missing.*channel.1"


def other_class_count(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["eval.py", "--checkpoint", best, "model.num_classes=7"], r"head\.(weight|bias)"


def truncated_checkpoint(tmp_path, trained):
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((trained / "step2" / "config.yaml").read_bytes())
    whole = (trained / "step2" / "best.ckpt").read_bytes()
    (folder / "best.ckpt").write_bytes(whole[: len(whole) // 2])
    return ["eval.py", "--checkpoint", folder / "best.ckpt"], "best.ckpt"


def no_checkpoint(tmp_path, trained):
    return ["export.py", "--checkpoint", tmp_path / "none.ckpt"], "none.ckpt"


def air(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["export.py", "--checkpoint", best, "--file_format", "AIR"], "Ascend"


BAD = [
    no_such_folder, empty_class, no_pictures, broken_picture, unknown_key, mistyped_value, missing_key, unknown_model,
    long_warm_up, other_architecture, other_class_count, truncated_checkpoint, no_checkpoint, air,
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
def test_bad_input_gets_one_message_and_writes_nothing(case, tmp_path, trained):
    command, message = case(tmp_path, trained)
    out = tmp_path / "written"
    before = sorted(path for path in tmp_path.rglob("*"))
    if command[0] == "train.py":
        command += ["--output_dir", out]
    done = start(*command)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("compiling ")]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1 and errors[0].startswith("error: "), done.stderr
    assert re.search(message, errors[0]), errors[0]
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = start("train.py", "--output_dir", tmp_path / "file" / "out")
    assert done.returncode == 2 and "file" in done.stderr and "Traceback" not in done.stderr


def readme_commands():
    """The lines of README.md's bash blocks, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and "$LITE" not in line]


@pytest.mark.parametrize("command", readme_commands())
def test_readme_commands_are_understood(command):
    """Scripts exist and parse; flags and settings of the Python commands are known. Files need not exist."""
    words = re.sub(r"^([A-Z_]+=\S+ )+", "", command).split()
    if words[0] == "bash":
        script = ROOT / words[1]
        assert script.is_file()
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    elif words[:2] == ["python", "-m"]:
        assert start("-m", words[2], "--help").returncode == 0
    elif words[0] == "python":
        done = start(words[1], *words[2:], "--no-such-flag")
        assert done.returncode == 2 and "unknown flag --no-such-flag" in done.stderr, done.stderr
        settings = [word for word in words if re.match(r"[a-z_]\w*(\.\w+)*=", word)]
        config = next((words[i + 1] for i, word in enumerate(words) if word == "--config_path"), None)
        check = f"from src.config import load_config; load_config({config!r}, {settings!r})"
        assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
    else:
        assert words[0] == "source", command


def from_elsewhere(folder, script, *arguments):
    """What a script prints that is started in another folder, with this environment."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VENV": str(folder),
    }
    command = ["bash", ROOT / "scripts" / script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_evaluation_script_works_from_any_folder(tmp_path, trained):
    assert "top1 = " in from_elsewhere(tmp_path, "run_eval.sh", trained / "step2" / "best.ckpt")


def test_export_script_writes_a_checked_file_from_any_folder(tmp_path, trained):
    out = tmp_path / "net.mindir"
    best = trained / "step2" / "best.ckpt"
    said = from_elsewhere(tmp_path, "run_export.sh", best, "MINDIR", "--output", out)
    assert str(out) in said and f"{out.stat().st_size}" in said and "largest difference" in said


@pytest.fixture(scope="module")
def packed(trained):
    """The packed file of the run, beside its checkpoint."""
    succeed("export.py", "--checkpoint", trained / "step2" / "best.ckpt", "--file_format", "PACKED")
    return trained / "step2" / "best.packed"


def test_a_packed_file_is_evaluated_as_its_checkpoint(trained, packed):
    outputs = {}
    for path in (trained / "step2" / "best.ckpt", packed):
        lines = succeed("eval.py", "--checkpoint", path).splitlines()
        outputs[path.suffix] = [line for line in lines if not line.startswith(("checkpoint", "images/s"))]
        score = json.loads(succeed("eval.py", "--checkpoint", path, "--json"))
        assert set(score) == {"top1", "top5", "correct", "total", "images_per_second"}
    assert outputs[".packed"] == outputs[".ckpt"]


def test_a_packed_file_needs_no_settings_beside_it(trained, packed, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 31, 3), dtype=np.uint8)).save(picture)
    alone = tmp_path / "alone.packed"
    alone.write_bytes(packed.read_bytes())
    found, expected = (
        json.loads(succeed("eval.py", "--checkpoint", path, "--image", picture, "--json"))[str(picture)]
        for path in (alone, trained / "step2" / "best.ckpt")
    )
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-4)
    top1 = succeed("eval.py", "--checkpoint", alone).splitlines()[-1]
    assert top1 == succeed("eval.py", "--checkpoint", packed).splitlines()[-1]


def test_a_damaged_packed_file_is_refused_in_one_line(packed, tmp_path):
    damaged = tmp_path / "damaged.packed"
    data = bytearray(packed.read_bytes())
    data[1000] ^= 1
    damaged.write_bytes(data)
    for path, message in ((damaged, "checksum does not match"), (tmp_path / "none.packed", "No such file")):
        done = start("eval.py", "--checkpoint", path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert str(path) in done.stderr and message in done.stderr
