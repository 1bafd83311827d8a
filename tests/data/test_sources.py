"""The table of sources, digits, and CIFAR-10's binary batches."""

import numpy as np
import pytest

from src.common.errors import InputError
from src.data import cifar, create_dataset
from src.data.sources import open_split


def test_digits_are_split_1437_to_360_with_every_class_in_proportion(make_config):
    train, test = (open_split(make_config().data, split) for split in ("train", "val"))
    assert (len(train), len(test)) == (1437, 360)
    assert train.classes == tuple("0123456789")
    counts = np.bincount(train.labels) / np.bincount(np.concatenate([train.labels, test.labels]))
    np.testing.assert_allclose(counts, 0.8, atol=0.005)
    assert train.pixels.shape == (1437, 8, 8, 3) and train.pixels.dtype == np.uint8
    assert train.pixels.max() == 255 and train.pixels.min() == 0


def test_digits_are_whole_and_no_image_is_in_both_splits(make_config):
    from sklearn.datasets import load_digits

    train, test = (open_split(make_config().data, split) for split in ("train", "val"))
    pixels = np.concatenate([train.pixels, test.pixels])[:, :, :, 0].reshape(-1, 64)
    expected = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, pixels)) == sorted(map(bytes, expected))


def test_the_split_of_digits_does_not_depend_on_the_seed(make_config):
    labels = [
        np.concatenate([batch for _, batch in create_dataset(make_config(seed=seed), "val").epoch(0)])
        for seed in (1, 2)
    ]
    assert (labels[0] == labels[1]).all()
    assert labels[0][:8].tolist() == [7, 6, 3, 7, 7, 3, 2, 8]  # golden: the split stays what it was


def test_an_unknown_source_is_refused_with_the_nearest(make_config):
    with pytest.raises(InputError, match=r"data\.source: expected one of .*did you mean cifar10"):
        create_dataset(make_config(source="cifar"), "train")


def test_a_source_without_its_path_is_refused(make_config):
    for source in ("cifar10", "imagenet"):
        with pytest.raises(InputError, match=r"data\.path: expected"):
            create_dataset(make_config(source=source), "val")


@pytest.fixture
def batches(tmp_path, monkeypatch):
    """CIFAR-10's binary batches with 20 records each; pixel (y, x) of plane p is 64 p + y + 2 x."""
    monkeypatch.setattr(cifar, "RECORDS", 20)
    place = np.arange(32)[:, None] + 2 * np.arange(32)
    planes = np.stack([place, place + 64, place + 128]).astype(np.uint8).ravel()
    records = np.concatenate([np.zeros((20, 1), np.uint8), np.tile(planes, (20, 1))], axis=1)
    for number, name in enumerate([*cifar.BATCHES["train"], *cifar.BATCHES["val"]]):
        records[:, 0] = (np.arange(20) + number) % 10
        records.tofile(tmp_path / name)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"class{number}" for number in range(10)) + "\n\n")
    return tmp_path


def test_binary_batches_are_read_plane_by_plane(batches, make_config):
    data = make_config(source="cifar10", path=str(batches), image_size=32).data
    train, test = open_split(data, "train"), open_split(data, "val")
    assert (len(train), len(test)) == (100, 20)
    assert train.classes[3] == "class3" and len(train.classes) == 10
    assert test.labels.tolist() == [(number + 5) % 10 for number in range(20)]
    assert train.labels[20:24].tolist() == [1, 2, 3, 4]
    assert train.pixels[7, 5, 9].tolist() == [5 + 18, 64 + 5 + 18, 128 + 5 + 18]


def test_binary_batches_are_found_in_the_archives_own_folder(batches, make_config):
    (batches / cifar.SUBFOLDER).mkdir()
    for path in batches.glob("*.*"):
        path.rename(batches / cifar.SUBFOLDER / path.name)
    assert len(open_split(make_config(source="cifar10", path=str(batches)).data, "train")) == 100


@pytest.mark.parametrize("change", [-1, 1, -cifar.RECORD_BYTES, None])
def test_a_batch_of_another_size_is_refused(batches, make_config, change):
    path = batches / "data_batch_4.bin"
    content = path.read_bytes()
    if change is None:
        path.unlink()
    else:
        path.write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(InputError, match=f"{path}: expected"):
        create_dataset(make_config(source="cifar10", path=str(batches)), "train")


def test_a_label_beyond_the_classes_is_refused(batches, make_config):
    content = bytearray((batches / "test_batch.bin").read_bytes())
    content[cifar.RECORD_BYTES * 3] = 10
    (batches / "test_batch.bin").write_bytes(content)
    with pytest.raises(InputError, match="labels from 0 to 9, got 10"):
        create_dataset(make_config(source="cifar10", path=str(batches)), "val")


def test_the_python_batches_are_refused_with_a_hint(tmp_path, make_config):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(InputError, match=r"binary version is cifar-10-binary\.tar\.gz"):
        create_dataset(make_config(source="cifar10", path=str(tmp_path)), "train")


def test_cifar10_as_an_image_folder_is_decoded_once(make_folder, make_config):
    path = make_folder(size=32)
    data = make_config(source="cifar10", path=str(path), image_size=32).data
    split = open_split(data, "val")
    assert split.pixels.shape == (10, 32, 32, 3) and split.classes == ("cat", "dog")
    assert split.pixels[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert split.labels.tolist() == [0] * 5 + [1] * 5
