"""python -m src.commands.convert: a checkpoint that eval.py takes, an account of every array, and refusals in one line."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from src.checkpoint.file import read_checkpoint
from src.commands import convert
from src.settings.command_line import config_beside
from tests.calls import call
from tests.checkpoint.torch_files import FORMS, Call, tensors_of
from tests.commands.conftest import ROOT, process, succeed

GOLDEN = ROOT / "tests" / "golden" / "cnn"
REDUCED = "model.options={widths: [8, 16, 32, 64]}"


@pytest.fixture(scope="module")
def arrays():
    """Arrays of the reduced Bi-Real-18, by the authors' names in DataParallel."""
    data = np.load(GOLDEN / "bireal18.npz")
    return {f"module.{key[6:]}": data[key] for key in data.files if key.startswith("param/")}


def converted(file, output, *more, source="birealnet", model="birealnet18"):
    arguments = ("--source", source, file, "--model", model, "--output", output, REDUCED, *more)
    return call(convert.main, *map(str, arguments))


def refusal(done):
    """The words of the one line of an error."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr.removeprefix("error: ")


def write(path, arrays, form):
    if form == "npz":
        np.savez(path, **arrays)
    elif form == "safetensors":
        safetensors.numpy.save_file(arrays, path)
    else:
        mapping, storages = tensors_of(arrays)
        path.write_bytes(FORMS[form]({"state_dict": mapping, "epoch": 255, "best_top1_acc": 56.4}, storages))
    return path


@pytest.mark.parametrize("form,name", [("zip", "a.pth"), ("old", "a.pth.tar"), ("npz", "a.npz"), ("safetensors", "a.safetensors")])  # fmt: skip
def test_every_form_gives_one_checkpoint_and_an_account(tmp_path, arrays, form, name):
    file = write(tmp_path / name, {**arrays, "module.bn1.num_batches_tracked": np.array(9)}, form)
    done = converted(file, tmp_path / "out" / "birealnet.ckpt")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(arrays) + 1
    assert "module.layer2.0.binary_conv.weights -> stages.1.0.fc.weight (16, 8, 3, 3)" in lines
    assert lines[-1] == (
        "module.bn1.num_batches_tracked: left aside: counts of batches, which only training reads"
    )
    beside = "; beside the weights in the file: epoch, best_top1_acc" if form in FORMS else ""
    assert (
        f"{len(arrays)} of the network's {len(arrays)} parameters matched, 1 array left aside{beside}\n"
        in done.stderr
    )
    read = read_checkpoint(tmp_path / "out" / "birealnet.ckpt", checked=True)
    np.testing.assert_array_equal(
        read["stages.1.0.fc.weight"].asnumpy(), arrays["module.layer2.0.binary_conv.weights"]
    )
    config = config_beside(tmp_path / "out" / "birealnet.ckpt")
    assert (config.model.name, config.model.num_classes, config.data.image_size) == ("birealnet18", 10, 224)
    assert (config.data.source, config.data.mean) == ("imagenet", (0.485, 0.456, 0.406))
    assert config.model.options["widths"] == (8, 16, 32, 64)


def test_eval_takes_the_published_network_of_adabin(tmp_path):
    """Of eight pictures that the file has, fed as pixels, the classes are the authors'."""
    published = GOLDEN / "adabin_resnet20_cifar10"
    done = call(
        convert.main, "--source", "adabin", str(published / "model.th"), "--model", "adabin20",
        "--output", str(tmp_path / "adabin.ckpt"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = config_beside(tmp_path / "adabin.ckpt")
    assert (config.data.source, config.data.image_size) == ("cifar10", 32)
    assert config.data.classes[:2] == ("airplane", "automobile")
    data = np.load(published / "outputs.npz")
    mean, std = (np.array(v)[:, None, None] for v in (config.data.mean, config.data.std))
    pixels = np.rint((data["x_val"] * std + mean) * 255).clip(0, 255).astype(np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / f"{i}.png")
    paths = [str(tmp_path / f"{i}.png") for i in range(len(pixels))]
    said = json.loads(
        succeed(
            "eval.py",
            "--checkpoint",
            tmp_path / "adabin.ckpt",
            "--json",
            "--image",
            *paths,
            "model.backend=fast",
        )
    )
    assert [said[path][0]["class"] for path in paths] == list(data["logits_val"].argmax(1))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (dict(source="vgg"), "--source: expected one of birealnet, reactnet, adabin, larq, got 'vgg'"),
        (
            dict(model="bimlp_t"),
            "--model: expected a network of birealnet, birealnet20, birealnet18, birealnet34, got 'bimlp_t'",
        ),
        (dict(model="birealnet1"), "--model: expected a network of birealnet, "),
        (dict(file="missing.pth"), "missing.pth: expected a file, got: No such file or directory"),
    ],
)
def test_a_command_that_names_nothing_is_refused(tmp_path, arrays, more, words):
    file = write(tmp_path / "a.npz", arrays, "npz")
    file = tmp_path / more.pop("file", file)
    assert words in refusal(converted(file, tmp_path / "a.ckpt", **more))
    assert not (tmp_path / "a.ckpt").exists()


def test_a_hostile_file_is_refused_and_nothing_is_written(tmp_path, arrays, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mapping, storages = tensors_of(arrays)
    mapping["evil"] = Call("posix", "system", "touch executed")
    (tmp_path / "evil.pth").write_bytes(FORMS["zip"]({"state_dict": mapping}, storages))
    words = refusal(converted(tmp_path / "evil.pth", tmp_path / "a.ckpt"))
    assert "asks for posix.system, which is never loaded or called" in words
    assert os.listdir(tmp_path) == ["evil.pth"]


def test_names_in_a_file_reach_the_terminal_as_printable_text(tmp_path, arrays):
    mapping, storages = tensors_of(arrays)
    file = {"state_dict": mapping, "\x1b[31mred\n": 1, **{f"more{i}": i for i in range(900)}}
    (tmp_path / "a.pth").write_bytes(FORMS["zip"](file, storages))
    done = converted(tmp_path / "a.pth", tmp_path / "a.ckpt")
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert "\\x1b[31mred" in first and first.isprintable() and len(first) <= 1000
    assert second.startswith("written: ")


def test_options_of_the_source_hold_beside_those_that_are_given(tmp_path):
    """Without TensorFlow's windows and eps the weights would fit as well, and the logits be others."""
    data = np.load(GOLDEN / "birealnet_larq.npz")
    arrays = {key[6:]: data[key] for key in data.files if key.startswith("param/")}
    done = converted(write(tmp_path / "a.npz", arrays, "npz"), tmp_path / "a.ckpt", source="larq")
    assert done.returncode == 0, done.stderr
    options = config_beside(tmp_path / "a.ckpt").model.options
    assert dict(options) == {"widths": (8, 16, 32, 64), "same_padding": True, "norm_eps": 1e-3}


def test_settings_of_another_checkpoint_are_kept(tmp_path, arrays):
    file = write(tmp_path / "a.npz", arrays, "npz")
    assert converted(file, tmp_path / "a.ckpt").returncode == 0
    assert converted(file, tmp_path / "b.ckpt").returncode == 0
    before = (tmp_path / "config.yaml").read_bytes()
    words = refusal(converted(file, tmp_path / "c.ckpt", "data.image_size=192"))
    assert "config.yaml: expected no settings of another checkpoint" in words
    assert (tmp_path / "config.yaml").read_bytes() == before and not (tmp_path / "c.ckpt").exists()


@pytest.mark.parametrize("override", ["stage=step1", "model.name=birealnet34", "output_dir=other"])
def test_settings_of_a_run_are_refused(tmp_path, arrays, override):
    file = write(tmp_path / "a.npz", arrays, "npz")
    words = refusal(converted(file, tmp_path / "a.ckpt", override))
    assert words.startswith(
        f"{override.partition('=')[0]}: expected settings of the model, but its name, and of the data"
    )


def test_weights_without_a_classifier_s_bias_need_the_number_of_classes(tmp_path, arrays):
    rest = {name: array for name, array in arrays.items() if name != "module.fc.bias"}
    file = write(tmp_path / "a.npz", rest, "npz")
    assert "give model.num_classes=N" in refusal(converted(file, tmp_path / "a.ckpt"))
    assert "1 of the network's missing in the file: head.bias" in refusal(
        converted(file, tmp_path / "a.ckpt", "model.num_classes=10")
    )


def test_help_is_quick_and_names_the_sources():
    done = process("-m", "src.commands.convert", "--help")
    assert done.returncode == 0 and "birealnet, reactnet, adabin, larq" in done.stdout
