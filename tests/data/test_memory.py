"""Pictures of folders that stay in memory or are read anew, and batches without MindSpore's pipeline."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
from mindspore.dataset import vision
from PIL import Image

from src.data import create_dataset, direct, load_rgb, transform_of
from src.data.memory import GIB
from src.data.sources import open_split
from src.data.transform import EVALUATION_SCALE

CROPS = [1.0, 1.0], [0.3, 1.0]  # data.crop_scale: off, on
SIZES = [(40, 60), (61, 37), (17, 90), (99, 31), (14, 14), (33, 16), (30, 30), (99, 20)]  # height, width


@pytest.fixture
def pictures(tmp_path):
    """A folder of 8 noisy pictures of different sizes and kinds, twice: train/ and val/."""
    for split in ("train", "val"):
        (tmp_path / split / "one").mkdir(parents=True)
        for number, (height, width) in enumerate(SIZES):
            noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
            suffix = ("jpg", "png", "ppm")[number % 3]
            Image.fromarray(noise).save(tmp_path / split / "one" / f"{number}.{suffix}")
    return tmp_path


def digest(batches):
    """One number for all bits of all batches, and their order."""
    return hashlib.sha256(b"".join(array.tobytes() for batch in batches for array in batch)).hexdigest()


def by_mindspore(pixels, data):
    """The evaluation image by MindSpore's own operators: the slow, obvious way."""
    shorter = round(data.image_size * EVALUATION_SCALE[data.source])
    operators = [
        vision.Resize(shorter, vision.Inter.PILCUBIC),
        vision.CenterCrop(data.image_size),
        vision.Normalize(*([255.0 * value for value in values] for values in (data.mean, data.std))),
        vision.HWC2CHW(),
    ]
    for operator in operators:
        pixels = operator(pixels)
    return pixels


@pytest.mark.parametrize("memory", [0.0, 2.0])
@pytest.mark.parametrize("workers", [1, 2])
def test_evaluation_is_mindspores_to_the_bit_kept_or_not(pictures, plain, memory, workers):
    statistics = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    cfg = plain(pictures, image_size=14, memory=memory, eval_batch_size=3, workers=workers, **statistics)
    expected = [
        by_mindspore(load_rgb(path), cfg.data) for path in sorted((pictures / "val" / "one").iterdir())
    ]
    found = create_dataset(cfg, "val")
    for index in range(2):
        batches = [batch for batch, _ in found.epoch(index)]
        assert [len(batch) for batch in batches] == [3, 3, 2]
        assert (np.concatenate(batches) == expected).all()
    assert len(found._split.cache) == (8 if memory else 0)


def test_the_centre_is_mindspores_for_any_size(make_config):
    draw = np.random.default_rng(0)
    for number in range(300):
        height, width = draw.integers(20, 90, 2) if number else (99, 468)
        source, size = ("imagenet", "cifar10")[number % 2], int(draw.integers(1, 40)) if number else 144
        data = make_config(source=source, image_size=size).data
        pixels = draw.integers(0, 256, (height, width, 3), np.uint8)
        result = transform_of(data)(pixels)
        assert (result == by_mindspore(pixels, data)).all(), (height, width, source, size)


@pytest.mark.parametrize("crop_scale", CROPS)
@pytest.mark.parametrize("memory", [0.0, 2.0])
def test_training_repeats_with_the_seed_and_reads_kept_files_once(pictures, plain, crop_scale, memory):
    cfg = plain(pictures, image_size=14, crop_scale=crop_scale, flip=0.5, memory=memory)
    found, later = create_dataset(cfg, "train"), create_dataset(cfg, "train")
    digests = [digest(found.epoch(index)) for index in range(3)]
    assert len(set(digests)) == 3
    assert digest(later.epoch(2)) == digests[2]  # read now, kept since epoch 0 there
    if memory:
        shutil.rmtree(pictures / "train")
        assert digest(found.epoch(1)) == digests[1]
    assert len(found._split.cache) == (8 if memory else 0)


def test_the_first_file_at_fault_is_not_one_that_is_kept(pictures, plain):
    found = create_dataset(plain(pictures, bad_images="skip", image_size=14), "val")
    one = pictures / "val" / "one"
    whole = (one / "7.png").read_bytes()
    (one / "7.png").write_bytes(whole[:50])
    assert sum(len(batch) for batch, _ in found.epoch(0)) == 7
    (one / "0.jpg").unlink()
    (one / "7.png").write_bytes(whole)
    found._split.skipped_numbers.clear()
    assert sum(len(batch) for batch, _ in found.epoch(1)) == 8
    del found._split.cache[3]
    (one / "3.jpg").unlink()
    assert sum(len(batch) for batch, _ in found.epoch(2)) == 7
    assert found._split.skipped_numbers == {3}


WHOLE = sum(3 * height * width for height, width in SIZES)
MIDDLES = 8 * 3 * 14 * 14


@pytest.mark.parametrize(
    ("split", "crop_scale", "ranks", "needed"),
    [
        ("val", CROPS[0], 1, MIDDLES),
        ("val", CROPS[1], 2, MIDDLES // 2),
        ("val", CROPS[0], 3, 3 * MIDDLES // 8),  # the rank with most of the 8
        ("train", CROPS[0], 1, MIDDLES),
        ("train", CROPS[1], 1, WHOLE),
        ("train", CROPS[1], 2, WHOLE),  # either rank sees all in the course of time
    ],
)
def test_a_split_is_kept_up_to_the_limit_and_as_a_whole(pictures, plain, split, crop_scale, ranks, needed):
    for limit, keeps in ((needed, True), (needed - 1, False), (0, False)):
        cfg = plain(pictures, image_size=14, crop_scale=crop_scale, memory=limit / GIB)
        found = create_dataset(cfg, split, 0, ranks)
        for index in range(2):
            count = sum(len(images) for images, _ in found.epoch(index))
        cache = found._split.cache
        assert (len(cache) >= count) if keeps else not cache
        if split == "val" and keeps:
            assert len(cache) == count
        if len(cache) == 8:
            assert sum(array.nbytes for array in cache.values()) == needed
        assert found.storage.startswith("kept in memory once read" if keeps else "read anew in every epoch")


def test_other_sources_say_nothing_of_memory(make_config):
    assert create_dataset(make_config(), "train").storage == ""


# --- batches by NumPy from images in memory ---


@pytest.fixture
def compass(make_config):
    """compass(count, **values): batches by NumPy of one image, 1..8 by column in red and by row in green, as integers."""

    def make(count, **values):
        data = make_config(source="cifar10", image_size=8, mean=[0, 0, 0], std=[1, 1, 1], **values).data
        image = np.ones((8, 8, 3), np.uint8)
        image[:, :, 0], image[:, :, 1] = np.arange(1, 9), np.arange(1, 9)[:, None]
        split = dataclasses.replace(open_split(make_config().data, "val"), pixels=image[None])
        maker = direct.InMemory(split, transform_of(data), (data.crop_padding, data.flip))
        batches = maker.batches(np.zeros(count, int), 64, np.random.default_rng(0))
        return np.rint(np.concatenate(list(batches)) * 255).astype(int)

    return make


@pytest.mark.parametrize("source", ["digits", "cifar10"])
def test_evaluation_in_memory_is_mindspores_to_the_bit(make_config, make_folder, source):
    path = str(make_folder(size=32)) if source == "cifar10" else ""
    cfg = make_config(source=source, path=path, image_size=16, eval_batch_size=100)
    found = create_dataset(cfg, "val")
    batches = [batch for batch, _ in found.epoch(0)]
    assert [len(batch) for batch in batches] == ([100, 100, 100, 60] if source == "digits" else [10])
    expected = [by_mindspore(image, cfg.data) for image in open_split(cfg.data, "val").pixels]
    assert (np.concatenate(batches) == expected).all()


def test_training_in_memory_without_augmentation_is_the_pipelines(make_config):
    cfg = make_config(crop_padding=0)
    found, piped = create_dataset(cfg, "train"), create_dataset(cfg, "train")
    piped._direct = None
    for (images, labels), (other_images, other_labels) in zip(found.epoch(3), piped.epoch(3)):
        assert (images == other_images).all() and (labels == other_labels).all()


def test_training_in_memory_has_the_pipelines_statistics(make_config):
    cfg = make_config(crop_padding=2, flip=0.5)
    found, piped = create_dataset(cfg, "train"), create_dataset(cfg, "train")
    piped._direct = None
    averages = [
        np.concatenate([images for images, _ in each.epoch(0)]).mean((0, 1)) for each in (found, piped)
    ]
    assert np.abs(averages[0] - averages[1]).max() < 0.08  # of pixels in -1..1, over 1408 images


def test_random_erasing_in_memory_follows_the_rest(make_config):
    plain, erased = (
        next(create_dataset(make_config(crop_padding=0, random_erasing=value), "train").epoch(0))[0]
        for value in (0.0, 1.0)
    )
    assert (plain != erased).any((1, 2, 3)).all() and (plain == erased).mean() > 0.6


def test_crops_in_memory_are_uniform_and_independent_of_the_flips(compass):
    result = compass(4000, crop_padding=2, flip=0.5)
    down, flipped = result[:, 1, 4, 4] - 5, result[:, 0, 4, 5] < result[:, 0, 4, 3]
    right = result[:, 0, 4, 3] * flipped + result[:, 0, 4, 4] * ~flipped - 5
    for shift in (down, right):
        values, counts = np.unique(shift, return_counts=True)
        assert values.tolist() == [-2, -1, 0, 1, 2]
        assert np.abs(counts / 4000 - 0.2).max() < 0.03
    assert np.abs(np.corrcoef([down, right, flipped]) - np.eye(3)).max() < 0.06
    assert abs(flipped.mean() - 0.5) < 0.03
    assert result.min() == 0  # the padding


@pytest.mark.parametrize("flip", [0.0, 0.25, 1.0])
def test_the_share_of_flips_in_memory_is_the_probability(compass, flip):
    result = compass(4000, crop_padding=0, flip=flip)
    flipped = (result[:, 0, 0, 0] == 8).mean()
    assert flipped == flip if flip in (0, 1) else abs(flipped - flip) < 0.03
