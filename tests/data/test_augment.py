"""The pipeline's operators: ranges, order, independence of their draws."""

import numpy as np
import pytest
from mindspore import dataset
from mindspore.dataset import vision

from src.common.errors import InputError
from src.data import augment, create_dataset
from src.data.erasing import RandomErasing
from src.data.rand_augment import _operations, rand_augment
from src.data.transform import Normalize


class Repeated:
    """The same image, many times."""

    def __init__(self, image, count):
        self.image, self.count = image, count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return (self.image,)


def run(image, operators, count):
    """`operators` on `count` copies of `image`, as one array."""
    dataset.config.set_seed(5)
    rows = dataset.GeneratorDataset(Repeated(image, count), ["image"], shuffle=False)
    if operators:
        rows = rows.map(operators, ["image"], num_parallel_workers=1)
    rows = rows.batch(count)
    return next(rows.create_tuple_iterator(num_epochs=1, output_numpy=True))[0]


def planes(pixels):
    """uint8 (B, H, W, 3) as signed (B, 3, H, W)."""
    return pixels.transpose(0, 3, 1, 2).astype(int)


def compass(size=32):
    """Red tells the column, green the row, both from 1: a shift or a flip can be read off."""
    image = np.full((size, size, 3), 1, np.uint8)
    image[:, :, 0] = np.arange(1, size + 1)
    image[:, :, 1] = np.arange(1, size + 1)[:, None]
    return image


def test_crops_and_flips_are_drawn_independently(make_config):
    data = make_config(source="cifar10", image_size=32, crop_padding=4, flip=0.5).data
    result = planes(run(compass(), augment.training(data, False), 2000))
    flipped = result[:, 0, 16, 20] < result[:, 0, 16, 12]
    down = result[:, 1, 16, 16] - 17
    assert set(down) == set(range(-4, 5))
    assert abs(flipped.mean() - 0.5) < 0.05
    assert abs(np.corrcoef(flipped, down)[0, 1]) < 0.1  # RandomHorizontalFlip after RandomCrop: 0.86
    left = np.where(flipped, 16, 17) - result[:, 0, 16, 16]
    assert abs(np.corrcoef(flipped, left)[0, 1]) < 0.1


@pytest.mark.parametrize("flip", [0.0, 0.25, 1.0])
def test_the_share_of_flips_is_the_probability(make_config, flip):
    data = make_config(source="cifar10", image_size=32, crop_padding=0, flip=flip).data
    result = planes(run(compass(), augment.training(data, False), 1000))
    flipped = (result[:, 0, 0, 0] > result[:, 0, 0, 31]).mean()
    assert flipped == flip if flip in (0, 1) else abs(flipped - flip) < 0.05


def test_normalisation_is_of_pixels_in_0_to_1(make_config):
    data = make_config(
        source="cifar10", image_size=2, crop_padding=0, mean=[0, 0.5, 1], std=[1, 0.5, 0.25]
    ).data
    image = np.array([[[0, 0, 0], [255, 255, 255]], [[51, 51, 51], [102, 102, 102]]], np.uint8)
    expected = [[[0, 1], [0.2, 0.4]], [[-1, 1], [-0.6, -0.2]], [[-4, 0], [-3.2, -2.4]]]
    np.testing.assert_allclose(Normalize(data)(image.transpose(2, 0, 1)), expected, atol=1e-6)


@pytest.mark.parametrize("encoded", [False, True])
def test_random_resized_crop_keeps_the_asked_share_of_the_area(make_config, encoded):
    data = make_config(source="imagenet", image_size=32, crop_padding=0, crop_scale=[0.25, 0.5]).data
    image = compass(128)
    if encoded:
        image = np.frombuffer(b"P6 128 128 255\n" + image.tobytes(), np.uint8)
    result = planes(run(image, augment.training(data, encoded), 300))
    area = np.ptp(result[:, 0], axis=(1, 2)) * np.ptp(result[:, 1], axis=(1, 2)) / 128**2
    assert 0.2 < area.min() < 0.3 and 0.4 < area.max() < 0.55


def test_mixup_and_cutmix_mix_labels_as_images(make_config):
    data = make_config(mixup=0.8, cutmix=1.0).data
    dataset.config.set_seed(3)
    count, batch = 60, 8

    def numbered():
        for number in range(count * batch):
            label = np.eye(batch, dtype=np.float32)[number % batch]
            yield np.full((3, 16, 16), number % batch, np.float32), label

    rows = dataset.GeneratorDataset(numbered, ["image", "label"]).batch(batch)
    rows = rows.map(augment.mixing(data), ["image", "label"], num_parallel_workers=1)
    kinds = []
    for mixed, labels in rows.create_tuple_iterator(num_epochs=1, output_numpy=True):
        assert mixed.dtype == labels.dtype == np.float32
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(mixed.mean((1, 2, 3)), labels @ np.arange(batch), atol=1e-4)
        kinds.append("cutmix" if (mixed == np.rint(mixed)).all() else "mixup")
    assert 15 < kinds.count("mixup") < 45


@pytest.mark.parametrize(("values", "number"), [({}, 0), ({"mixup": 0.5}, 1), ({"cutmix": 0.5}, 1)])
def test_mixing_is_off_at_0(make_config, values, number):
    assert len(augment.mixing(make_config(**values).data)) == number


def test_random_erasing_fills_one_rectangle_with_noise():
    erase = RandomErasing(0.25, np.random.default_rng(0))
    images = np.full((400, 3, 32, 32), 9, np.float32)
    result = erase(images)
    assert (images == 9).all()
    erased = (result != 9).any(1)
    share = erased.any((1, 2)).mean()
    assert abs(share - 0.25) < 0.06
    for mask in erased[erased.any((1, 2))]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask.sum() == len(rows) * len(columns)
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.01 < mask.mean() < 0.36
    noise = result[result != 9]
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02


def test_random_erasing_follows_normalisation(make_folder, plain):
    cfg = plain(make_folder(train=64, size=16), image_size=16, batch_size=64, random_erasing=1.0)
    ((images, _),) = create_dataset(cfg, "train").epoch(0)
    assert images.min() < -2 and images.max() > 2  # normalised greys lie in -1..-0.5


def noise():
    """An image that each of RandAugment's operations changes."""
    return np.random.default_rng(0).integers(30, 200, (32, 32, 3), np.uint8)


def test_rand_augment_never_empties_the_frame_and_leaves_a_quarter_alone():
    result = run(noise(), [rand_augment(9, (77, 77, 77))], 1500)
    assert abs((result == noise()).all((1, 2, 3)).mean() - 0.25) < 0.04
    assert (result == 77).all((1, 2, 3)).sum() == 0
    library = run(noise(), [vision.RandAugment(2, 9, fill_value=77)], 1500)
    assert (library == 77).all((1, 2, 3)).mean() > 0.2  # once this fails, MindSpore's own can be used


def test_rand_augment_has_fourteen_operations_in_both_directions():
    results = [operation(noise()).tobytes() for operation in _operations(0.5, (0, 0, 0))]
    assert len(results) == 28 and noise().tobytes() not in results
    assert len(set(results)) == 5 + 18  # the plain ones are there twice, so that all fourteen are as likely


def test_rand_augment_translates_by_a_share_of_the_width():
    right = _operations(10 / 10, (0, 0, 0))[-2](compass(20))  # 0.45 * 20 = 9 pixels
    assert (right[:, :9] == 0).all() and (right[:, 9:] == compass(20)[:, :11]).all()


def test_rand_augment_refuses_a_magnitude_beyond_its_scale(make_config):
    with pytest.raises(InputError, match=r"data\.rand_augment: expected .* from 0 to 10, got 11"):
        create_dataset(make_config(rand_augment=11), "train")
