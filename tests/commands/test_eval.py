"""eval.py as a user starts it: labels by name, predictions of pictures, exported files."""

import json
import re

import numpy as np
import pytest
from mindspore import Tensor
from PIL import Image

from src.checkpoint.file import read_checkpoint, save_checkpoint
from tests.commands.conftest import process, start, succeed

KINDS = ("checkpoint", "packed", "onnx", "mindir")
MORE_KINDS = tuple(pytest.param(kind, marks=pytest.mark.thorough) for kind in KINDS[1:])


def noise(path, seed):
    """A picture of random pixels around a colour of its own."""
    random = np.random.default_rng(seed)
    colour = random.integers(0, 256, 3)
    pixels = np.clip(random.normal(colour, 10 + 20 * (seed % 4), (9, 11, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def sorted_by_prediction(folder, checkpoint, *settings):
    """An image folder without train/ in which each of 24 pictures of noise lies under its most likely class."""
    files = [noise(folder / f"{i}.png", i) for i in range(24)]
    said = succeed("eval.py", "--checkpoint", checkpoint, "--json", *settings, "--image", *files)
    for file, record in json.loads(said).items():
        place = folder / "data" / "val" / record[0]["name"]
        place.mkdir(parents=True, exist_ok=True)
        (folder / file).rename(place / (folder / file).name)
    return folder / "data"


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
        assert place % 6 == 0 or re.fullmatch(r" +[01]\.\d{4}     (\d)  \1", line)


def test_predictions_are_a_list_whose_names_need_not_be_unique(trained, tmp_path):
    best, picture = trained / "step2" / "best.ckpt", noise(tmp_path / "a.png", 1)
    command = ["eval.py", "--checkpoint", best, "--image", picture, "--json"]
    expected = json.loads(succeed(*command))[str(picture)]
    named = json.loads(succeed(*command, "data.class_names=[a,a,a,a,a,a,a,a,a,b]"))[str(picture)]
    assert [each["class"] for each in named] == [each["class"] for each in expected]
    assert [each["probability"] for each in named] == [each["probability"] for each in expected]
    assert [each["name"] for each in named] == ["b" if each["class"] == 9 else "a" for each in expected]
    shares = [each["probability"] for each in named]
    assert len(shares) == 5 and shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1


@pytest.mark.parametrize("kind", ["checkpoint", *MORE_KINDS])
def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_predicted(kind, files, tmp_path):
    path = files[kind]
    files = [noise(tmp_path / f"{i}.png", i) for i in range(5)]
    expected = [json.loads(succeed("eval.py", "--checkpoint", path, "--json", "--image", *files))]
    (tmp_path / "bad.png").write_text("junk")
    files.insert(1, tmp_path / "bad.png")
    command = ["eval.py", "--checkpoint", path, "--json", "data.eval_batch_size=2", "--image", *files]
    done = start(*command)
    assert done.returncode == 1
    (named,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(tmp_path / "bad.png") in named and "no known image format" in named
    found = json.loads(done.stdout)
    assert list(found) == [str(file) for file in files if file.name != "bad.png"]
    for file, record in found.items():
        assert [e["class"] for e in record] == [e["class"] for e in expected[0][file]]
        assert [e["probability"] for e in record] == pytest.approx(
            [e["probability"] for e in expected[0][file]], abs=1e-5
        )


def test_a_folder_of_some_classes_is_evaluated_by_their_names(trained, tmp_path):
    best = trained / "step2" / "best.ckpt"
    folder = sorted_by_prediction(tmp_path, best, "data.source=imagenet")
    names = sorted(place.name for place in (folder / "val").iterdir())
    assert 1 < len(names) < 10  # so that labels by position would be refused
    command = ["eval.py", "--checkpoint", best, "--data_path", folder, "data.source=imagenet", "--json"]
    score = json.loads(succeed(*command, "--per_class"))
    assert (score["correct"], score["total"]) == (24, 24)
    there = {name: len(list((folder / "val" / name).iterdir())) for name in names}
    expected = {
        str(name): {"correct": there.get(str(name), 0), "total": there.get(str(name), 0)}
        for name in range(10)
    }
    assert score["per_class"] == expected
    lines = succeed(*command[:-1], "--per_class").splitlines()
    missing = next(name for name in expected if name not in names)
    assert (
        f"class        {missing} - (0/0)" in lines
        and f"class        {names[0]} 1.0000 ({there[names[0]]}/{there[names[0]]})" in lines
    )
    (folder / "val" / names[-1]).rename(folder / "val" / "zz")
    done = start(*command)
    assert done.returncode == 2 and "got 'zz'" in done.stderr and not done.stdout, done.stderr


def test_data_whose_classes_are_in_another_order_are_evaluated_by_their_names(trained, tmp_path):
    """A head with its rows turned round and settings that say so: the same network for the digits."""
    for name in ("config.yaml", "best.ckpt"):
        (tmp_path / name).write_bytes((trained / "step2" / name).read_bytes())
    weights = read_checkpoint(tmp_path / "best.ckpt")
    turned = {n: Tensor(p.asnumpy()[::-1].copy()) if n.startswith("head.") else p for n, p in weights.items()}
    save_checkpoint(tmp_path / "best.ckpt", turned)
    expected = succeed("eval.py", "--checkpoint", trained / "step2" / "best.ckpt").splitlines()[-1]
    command = [
        "eval.py",
        "--checkpoint",
        tmp_path / "best.ckpt",
        "data.classes=['9','8','7','6','5','4','3','2','1','0']",
    ]
    assert succeed(*command).splitlines()[-1] == expected
    assert succeed(*command, "data.labels=position").splitlines()[-1] != expected


def test_a_file_is_evaluated_as_its_checkpoint(files):
    outputs = {}
    for kind, path in files.items():
        lines = succeed("eval.py", "--checkpoint", path).splitlines()
        outputs[kind] = [line for line in lines if not line.startswith(("checkpoint", "images/s"))]
        score = json.loads(succeed("eval.py", "--checkpoint", path, "--json"))
        assert set(score) == {"top1", "top5", "correct", "total", "images_per_second"}
        each = json.loads(succeed("eval.py", "--checkpoint", path, "--json", "--per_class"))["per_class"]
        assert list(each) == [str(digit) for digit in range(10)]
        assert sum(counts["correct"] for counts in each.values()) == score["correct"]
        assert sum(counts["total"] for counts in each.values()) == score["total"]
    assert outputs["packed"] == outputs["onnx"] == outputs["checkpoint"]


@pytest.fixture(scope="module", params=["packed", "onnx"])
def alone(request, files, tmp_path_factory):
    """A file with its network in a folder without settings."""
    path = tmp_path_factory.mktemp("alone") / f"alone.{request.param}"
    path.write_bytes(files[request.param].read_bytes())
    return path


def test_a_file_needs_no_settings_beside_it(files, alone, tmp_path):
    picture = noise(tmp_path / "picture.png", 1)
    found, expected = (
        json.loads(succeed("eval.py", "--checkpoint", path, "--image", picture, "--json"))[str(picture)]
        for path in (alone, files["checkpoint"])
    )
    assert [each["class"] for each in found] == [each["class"] for each in expected]
    for one, other in zip(found, expected):
        assert one == pytest.approx(other, abs=1e-4)
    top1 = succeed("eval.py", "--checkpoint", alone).splitlines()[-1]
    assert top1 == succeed("eval.py", "--checkpoint", files["checkpoint"]).splitlines()[-1]


@pytest.mark.parametrize("kind", ["packed", "onnx"])
def test_a_file_is_evaluated_and_predicted_without_the_framework(kind, files, tmp_path):
    picture = noise(tmp_path / "a.png", 1)
    for more in ((), ("--image", picture)):
        arguments = ["--checkpoint", str(files[kind]), *map(str, more)]
        code = f"import sys; sys.modules['mindspore'] = None; import eval; sys.exit(eval.main({arguments!r}))"
        done = process("-c", code)
        assert done.returncode == 0 and done.stdout, done.stderr
        assert {"packed": ": engine, ", "onnx": ": ONNX Runtime, "}[kind] in done.stderr


def test_the_transform_of_a_file_is_its_own_on_every_way(alone, tmp_path):
    folder = sorted_by_prediction(tmp_path, alone)
    # by the settings, pictures of this source would lose a border
    command = ["eval.py", "--checkpoint", alone, "--json", "--data_path", folder, "data.source=imagenet"]
    assert json.loads(succeed(*command))["correct"] == 24
    for setting in ("data.mean=[0.1,0.2,0.3]", "data.image_size=32", "model.norm=layer"):
        done = start(*command, setting)
        assert done.returncode == 2 and setting.partition("=")[0] in done.stderr, done.stderr


@pytest.mark.parametrize("kind,fault", [
    ("packed", "checksum does not match"),
    ("onnx", "expected an exported file that tells how to feed it"),
    ("mindir", "expected an exported file that tells how to feed it"),
])  # fmt: skip
def test_a_damaged_file_is_refused_in_one_line(kind, fault, files, tmp_path):
    damaged = tmp_path / f"damaged.{kind}"
    data = bytearray(files[kind].read_bytes())
    data[1000] ^= 1
    damaged.write_bytes(data if kind == "packed" else data[:-100])
    for path, message in ((damaged, fault), (tmp_path / f"none.{kind}", "No such file")):
        done = start("eval.py", "--checkpoint", path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert str(path) in done.stderr and message in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_drawn(kind, files, tmp_path):
    path = files[kind]
    files = [noise(tmp_path / f"{i}.png", i) for i in range(2)]
    (tmp_path / "bad.png").write_text("junk")
    plot = tmp_path / "out.png"
    command = [
        "eval.py",
        "--checkpoint",
        path,
        "--json",
        "--image",
        *files,
        "data.class_names=[$a,b,c,d,e,f,g,h,i,j]",
    ]
    expected = succeed(*command)
    done = start(*command, "--plot", plot, "--image", *files, tmp_path / "bad.png")
    assert done.returncode == 1 and done.stdout == expected, done.stderr
    assert Image.open(plot).size == (560, 480)  # a row for each picture that could be read
    (tmp_path / "out.png").unlink()
    done = start("eval.py", "--checkpoint", path, "--image", tmp_path / "bad.png", "--plot", plot)
    assert done.returncode == 2 and not plot.exists()


def test_a_plot_that_cannot_be_is_refused_in_one_line(trained, tmp_path):
    best, picture = trained / "step2" / "best.ckpt", noise(tmp_path / "a.png", 1)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(picture)
    before = picture.read_bytes()
    for plot, images, message in (
        (tmp_path / "out.png", [], "expected --image with --plot"),
        (tmp_path / "out.pdf", [picture], "ends in .png, got .*out.pdf"),
        ("", [picture], "ends in .png, got"),
        (tmp_path / "out.png", [picture] * 17, "at most 16 pictures, got 17"),
        (tmp_path / "none" / "out.png", [picture], "a folder that is there, got .*out.png"),
        (tmp_path / "folder.png", [picture], "the name of a file"),
        (tmp_path / "link.png", [picture], "another file than those that are read"),
    ):
        flags = ["--image", *images] if images else []
        done = start("eval.py", "--checkpoint", best, *flags, "--plot", plot)
        assert done.returncode == 2 and not done.stdout and len(done.stderr.splitlines()) == 1, done.stderr
        assert re.search(message, done.stderr), done.stderr
    assert picture.read_bytes() == before and not (tmp_path / "out.png").exists()
