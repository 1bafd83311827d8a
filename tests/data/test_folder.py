"""Image folders: what is refused, with the path, and what is left out."""

import numpy as np
import pytest
from PIL import Image

from src.common.errors import InputError
from src.data import create_dataset

SOURCES = ["imagenet", "cifar10"]


@pytest.fixture
def refusal(plain):
    """refusal(path, split, **values): the message with which a folder is refused."""

    def refuse(path, split="train", **values):
        with pytest.raises(InputError) as caught:
            create_dataset(plain(path, **values), split)
        return str(caught.value)

    return refuse


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_path_is_refused(tmp_path, refusal, source):
    message = refusal(tmp_path / "nowhere", source=source)
    assert message.startswith(f"{tmp_path / 'nowhere'}: expected a folder with train/ and val/")
    assert "no such folder" in message


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, refusal, source):
    (tmp_path / "data.tar").write_bytes(b"x")
    assert "got a file" in refusal(tmp_path / "data.tar", source=source)


@pytest.mark.parametrize("source", SOURCES)
def test_an_empty_folder_is_refused(tmp_path, refusal, source):
    assert f"{tmp_path}: expected" in (message := refusal(tmp_path, source=source))
    assert "an empty folder" in message


def test_class_folders_without_splits_are_refused_with_the_way_out(tmp_path, refusal):
    (tmp_path / "cat").mkdir()
    message = refusal(tmp_path)
    assert "train/ and val/" in message and "cat/" in message and "train/<class>/" in message


def test_a_missing_split_is_refused_and_the_other_is_read(make_folder, plain, refusal):
    path = make_folder()
    (path / "train").rename(path / "elsewhere")
    assert "train/ is missing" in refusal(path)
    assert create_dataset(plain(path), "val").size == 10


@pytest.mark.parametrize("source", SOURCES)
def test_images_without_class_folders_are_refused(tmp_path, refusal, source):
    (tmp_path / "train").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "train" / "a.png")
    assert f"{tmp_path / 'train'}: expected one folder of images per class, got 1 files" in refusal(
        tmp_path, source=source
    )


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("bad_images", ["error", "skip"])
def test_an_empty_class_folder_is_named(make_folder, refusal, source, bad_images):
    path = make_folder(size=32)
    (path / "train" / "ant").mkdir()
    (path / "val" / "ant").mkdir()
    message = refusal(path, source=source, bad_images=bad_images)
    assert f"{path / 'train' / 'ant'}: expected a class folder with images" in message


def test_classes_that_differ_between_the_splits_are_named(make_folder, refusal):
    path = make_folder()
    (path / "val" / "dog").rename(path / "val" / "god")
    for split in ("train", "val"):
        assert "got 2 that only one of them has, the first dog (in train/)" in refusal(path, split)


def test_class_names_that_differ_only_in_normalisation_are_told(make_folder, refusal):
    """As folders copied from macOS do: e and an accent, instead of the one letter."""
    path = make_folder()
    for split, name in (("train", "caf\u00e9"), ("val", "cafe\u0301")):
        (path / split / "dog").rename(path / split / name)
    for split in ("train", "val"):
        message = refusal(path, split)
        assert "same classes in train/ and val/, got cafe\u0301 in two ways" in message
        assert "only in Unicode normalisation" in message


def test_a_folder_among_the_images_is_named(make_folder, refusal):
    path = make_folder()
    (path / "train" / "cat" / "more").mkdir()
    assert f"{path / 'train' / 'cat' / 'more'}: expected an image" in refusal(path)


def test_hidden_files_are_no_images(make_folder, plain):
    path = make_folder()
    (path / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (path / "train" / ".cache").mkdir()
    assert create_dataset(plain(path), "train").size == 12


@pytest.mark.parametrize("source", SOURCES)
def test_bad_images_are_named_or_skipped(make_folder, plain, refusal, source):
    path = make_folder(size=32)
    text, cut = path / "val" / "cat" / "002.png", path / "val" / "dog" / "005.png"
    text.write_text("no image")
    cut.write_bytes(cut.read_bytes()[:50])
    message = refusal(path, "val", source=source)
    assert message.startswith(f"{text}: ") and "no known image format" in message
    assert "2 such files" in message and "data.bad_images=skip" in message
    found = create_dataset(plain(path, source=source, bad_images="skip"), "val")
    assert [skipped for skipped, _ in found.skipped] == [str(text), str(cut)]
    assert all(reason for _, reason in found.skipped)
    assert (found.size, found.batches) == (8, 2)
    labels = np.concatenate([labels for _, labels in found.epoch(0)])
    assert labels.tolist() == [0] * 4 + [1] * 4
    if source == "cifar10":
        pixels = found._split.pixels[:, 0, 0, 0]
        assert pixels.tolist() == [0, 4, 6, 8, 1, 3, 7, 9]


def test_a_class_whose_images_are_all_bad_is_refused(make_folder, refusal):
    path = make_folder(val=2)
    (path / "val" / "dog" / "001.png").write_bytes(b"")
    message = refusal(path, "val", bad_images="skip")
    assert f"{path / 'val' / 'dog'}: expected a class folder with images, got no readable one" in message


def test_cifar10_refuses_images_of_another_size(make_folder, refusal):
    path = make_folder(size=32)
    Image.new("RGB", (40, 32)).save(path / "train" / "dog" / "003.png")
    message = refusal(path, source="cifar10")
    assert f"{path / 'train' / 'dog' / '003.png'}: " in message and "40x32 pixels instead of 32x32" in message
