"""Epochs: order, ranks, repeatability, and damage found on the way."""

import contextlib
import hashlib
import itertools
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest
from mindspore import dataset

from src.common.errors import InputError
from src.data import create_dataset
from src.learn.evaluate import evaluate
from src.learn.parallel import Workers

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVERYTHING = {
    "crop_scale": [0.3, 1.0],
    "crop_padding": 2,
    "flip": 0.5,
    "rand_augment": 9,
    "random_erasing": 0.5,
    "mixup": 0.8,
    "cutmix": 1.0,
}
FRESH_PROCESS = """
import sys, types
sys.path[:0] = {paths!r}
from src.data import create_dataset
from test_batches import digest
for values in {settings!r}:
    cfg = types.SimpleNamespace(seed=7, data=types.SimpleNamespace(**values))
    print(digest(create_dataset(cfg, "train").epoch(2)))
"""


def digest(batches):
    """One number for all bits of all batches, and their order."""
    found = hashlib.sha256()
    for images, labels in batches:
        found.update(images.tobytes() + labels.tobytes())
    return found.hexdigest()


def numbers(epoch, greys):
    """Which images an epoch holds, batch by batch."""
    return [greys(images) for images, _ in epoch]


def flat(batches):
    """The batches' elements in one list."""
    return list(itertools.chain.from_iterable(batches))


def test_training_batches_have_the_promised_form(make_config):
    found = create_dataset(make_config(**EVERYTHING), "train")
    batches = list(found.epoch(0))
    assert (found.size, found.batches, len(batches)) == (1437, 22, 22)
    for images, labels in batches:
        assert images.shape == (64, 3, 16, 16) and images.dtype == np.float32
        assert labels.shape == (64, 10) and labels.dtype == np.float32
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    assert found.skipped == [] and found.classes == tuple("0123456789")


def test_labels_belong_to_their_images(make_folder, plain, greys):
    path = make_folder(train=16)
    for images, labels in create_dataset(plain(path), "train").epoch(0):
        assert labels.argmax(1).tolist() == [number % 2 for number in greys(images)]
        assert set(labels.ravel()) == {0.0, 1.0}
    for images, labels in create_dataset(plain(path), "val").epoch(0):
        assert labels.tolist() == [number % 2 for number in greys(images)]
        assert labels.dtype == np.int32


@pytest.fixture
def augmented(make_config, make_folder):
    """Settings with every augmentation, for images in memory and for files."""
    values = dict(EVERYTHING, batch_size=16, image_size=16)
    path = str(make_folder(train=40, size=24, suffix="jpg"))
    return [make_config(seed=7, **values), make_config(seed=7, **values, source="imagenet", path=path)]


def test_an_epoch_is_the_same_again_and_in_a_fresh_process_that_skips_the_earlier_ones(augmented):
    last = []
    for cfg in augmented:
        found = create_dataset(cfg, "train")
        digests = [digest(found.epoch(index)) for index in (0, 1, 2)]
        assert len(set(digests)) == 3
        assert digest(found.epoch(2)) == digests[2]
        last.append(digests[2])
    paths, settings = [str(ROOT), str(ROOT / "tests" / "data")], [vars(cfg.data) for cfg in augmented]
    script = FRESH_PROCESS.format(paths=paths, settings=settings)
    fresh = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert fresh.stdout.split() == last


def test_an_epoch_depends_on_the_seed_and_the_rank(make_config):
    digests = {
        digest(create_dataset(make_config(seed=seed), "train", rank, 2).epoch(0))
        for seed in (1, 2)
        for rank in (0, 1)
    }
    assert len(digests) == 4


def test_the_augmentation_depends_on_the_rank(make_folder, plain):
    path = make_folder(train=32, size=16)
    for split in (path / "train").iterdir():
        for file in split.iterdir():
            file.write_bytes((path / "train" / "cat" / "000.png").read_bytes())  # all images alike
    cfg = plain(path, random_erasing=1.0, batch_size=8)
    batches = [next(create_dataset(cfg, "train", rank, 2).epoch(0))[0] for rank in (0, 1)]
    assert not (batches[0] == batches[1]).all()


def test_the_global_generators_are_left_alone(make_config):
    dataset.config.set_seed(123)
    dataset.config.set_prefetch_size(5)
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    list(create_dataset(make_config(**EVERYTHING), "train").epoch(0))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert (dataset.config.get_seed(), dataset.config.get_prefetch_size()) == (123, 5)


def test_other_draws_meanwhile_change_nothing(make_config):
    found = create_dataset(make_config(**EVERYTHING), "train")
    expected = digest(found.epoch(0))

    def disturbed():
        for batch in found.epoch(0):
            random.random()
            np.random.random(7)
            dataset.config.set_seed(9)
            yield batch

    assert digest(disturbed()) == expected


def test_two_epochs_can_run_at_once_and_stop_early(make_config):
    train, val = create_dataset(make_config(), "train"), create_dataset(make_config(), "val")
    expected = digest(val.epoch(0))
    running = train.epoch(0)
    next(running)
    assert digest(val.epoch(0)) == expected
    running.close()
    for _ in train.epoch(1):
        break


@pytest.mark.parametrize("ranks", [1, 2, 3, 11])
def test_evaluation_uses_every_image_once(make_folder, plain, greys, ranks):
    cfg = plain(make_folder(val=10))
    seen, counts = [], []
    for rank in range(ranks):
        found = create_dataset(cfg, "val", rank, ranks)
        batches = numbers(found.epoch(0), greys)
        assert len(batches) == found.batches and found.size == 10
        assert all(len(batch) == 4 for batch in batches[:-1])
        counts.append(sum(map(len, batches)))
        seen += flat(batches)
    assert sorted(seen) == list(range(10))
    assert max(counts) - min(counts) <= 1


def test_evaluation_keeps_the_last_partial_batch(make_folder, plain, greys):
    batches = numbers(create_dataset(plain(make_folder(val=10)), "val").epoch(0), greys)
    assert [len(batch) for batch in batches] == [4, 4, 2]


def test_evaluation_is_the_same_in_every_epoch(make_config):
    found = create_dataset(make_config(seed=3), "val")
    assert (
        digest(found.epoch(0))
        == digest(found.epoch(5))
        == digest(create_dataset(make_config(seed=4, **EVERYTHING), "val").epoch(0))
    )


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_training_gives_every_rank_as_many_full_batches_of_its_own(make_folder, plain, greys, ranks):
    cfg = plain(make_folder(train=28))
    seen = []
    for rank in range(ranks):
        found = create_dataset(cfg, "train", rank, ranks)
        batches = numbers(found.epoch(1), greys)
        assert [len(batch) for batch in batches] == [4] * (28 // ranks // 4) == [4] * found.batches
        seen += flat(batches)
    assert len(set(seen)) == len(seen)


def test_training_orders_differ_from_epoch_to_epoch(make_folder, plain, greys):
    found = create_dataset(plain(make_folder(train=28)), "train")
    orders = [flat(numbers(found.epoch(index), greys)) for index in range(3)]
    assert [sorted(order) for order in orders] == [list(range(28))] * 3
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_too_few_images_for_a_batch_are_refused_with_the_sizes(make_folder, plain):
    path = make_folder(train=12)
    with pytest.raises(InputError, match=r"expected at most 6 \(12 training images on 2 devices\), got 8"):
        create_dataset(plain(path, batch_size=8), "train", 0, 2)
    assert create_dataset(plain(path, batch_size=6), "train", 0, 2).batches == 1


def test_more_threads_than_cores_are_not_asked_for(make_config):
    assert len(list(create_dataset(make_config(workers=512), "val").epoch(0))) == 3


# Training reads a file in one of three ways: its middle, the whole picture to be kept, the bytes.
READINGS = [{"memory": 0.0}, {"memory": 2.0}, {"memory": 2.0, "crop_scale": [0.5, 1.0]}]
READINGS.append({"memory": 0.0, "crop_scale": [0.5, 1.0]})


def damage(path):
    """Cut a file that was whole when the split was opened."""
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("memory", [0.0, 2.0])
def test_a_file_damaged_since_opening_is_named(make_folder, plain, memory):
    path = make_folder(val=40)
    found = create_dataset(plain(path, memory=memory), "val")
    damage(path / "val" / "cat" / "030.png")
    with pytest.raises(InputError, match=f"{path / 'val' / 'cat' / '030.png'}: expected a whole image"):
        list(found.epoch(0))
    found = create_dataset(plain(path, memory=memory, bad_images="skip"), "val")
    found._data.bad_images = "error"
    (path / "val" / "cat" / "006.png").unlink()
    with pytest.raises(InputError, match=r"006\.png: .*No such file"):
        list(found.epoch(0))


@pytest.mark.parametrize("memory", [0.0, 2.0])
def test_a_file_damaged_since_opening_is_skipped_in_evaluation(make_folder, plain, greys, memory):
    path = make_folder(val=40)
    cfg = plain(path, bad_images="skip", memory=memory)
    found = [create_dataset(cfg, "val", rank, 2) for rank in (0, 1)]
    damage(path / "val" / "cat" / "030.png")
    damage(path / "val" / "dog" / "007.png")
    seen = flat(flat(numbers(each.epoch(0), greys)) for each in found)
    assert sorted(seen) == [number for number in range(40) if number not in (7, 30)]
    assert sorted(pathlib.Path(name).name for each in found for name, _ in each.skipped) == [
        "007.png",
        "030.png",
    ]


@pytest.mark.parametrize("reading", READINGS)
def test_a_file_damaged_since_opening_is_replaced_in_training(make_folder, plain, greys, reading):
    path = make_folder(train=40)
    cfg = plain(path, bad_images="skip", batch_size=8, **reading)
    found, later = create_dataset(cfg, "train"), create_dataset(cfg, "train")
    damage(path / "train" / "cat" / "030.png")
    damage(path / "train" / "dog" / "007.png")
    digests = []
    for index in range(3):
        batches = list(found.epoch(index))
        assert [len(images) for images, _ in batches] == [8] * 5
        seen = flat(numbers(batches, greys))
        assert set(seen) == set(range(40)) - {7, 30}
        digests.append(digest(batches))
    assert (found.size, found.batches, len(found.skipped)) == (38, 5, 2)
    assert digest(later.epoch(2)) == digests[2]  # not knowing yet which are damaged


@pytest.mark.parametrize("ranks", [2, 4])
def test_workers_share_the_batches_of_one(make_config, ranks):
    """With crops and flips: an image's place among the workers does not change it."""
    augmented = {"crop_padding": 2, "flip": 0.5}
    whole = create_dataset(make_config(batch_size=24, **augmented), "train").epoch(1)
    config = make_config(batch_size=24 // ranks, **augmented)
    parts = [create_dataset(config, "train", rank, ranks).epoch(1) for rank in range(ranks)]
    for (images, labels), *shares in zip(whole, *parts):
        for rank, (own_images, own_labels) in enumerate(shares):
            np.testing.assert_array_equal(own_images, images[rank::ranks])
            np.testing.assert_array_equal(own_labels, labels[rank::ranks])


@pytest.mark.parametrize("ranks, batch", [(1, 7), (1, 1000), (2, 1), (2, 100), (3, 360), (4, 64), (7, 7)])
def test_evaluation_totals_are_the_data_sets_size(make_config, ranks, batch):
    """By the function that the loop and eval.py use, for 360 digits."""
    totals = []
    for rank in range(ranks):
        data = create_dataset(make_config(eval_batch_size=batch), "val", rank, ranks)
        counted = Counted(rank, ranks)
        with contextlib.suppress(ValueError):  # the others' counts are missing
            evaluate(counted.predict, data, batch, counted)
        totals.append(counted.own)
    assert sum(totals) == 360 and max(totals) - min(totals) <= 1


class Counted(Workers):
    """A worker that notes how many images it has counted itself."""

    def sum(self, values):
        self.__dict__["own"] = self.__dict__.get("own", int(values[0]))
        return list(values)

    def predict(self, images):
        return np.zeros((len(images), 10), np.float32)

    predict.ready = True
