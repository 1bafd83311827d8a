"""Labels by name: in another order, as a part, under other names, by position."""

import unicodedata

import numpy as np
import pytest

from src.common.errors import InputError
from src.data import create_dataset
from src.data.labels import positions


def match(names, known):
    return positions(names, known, "folder", "the checkpoint").tolist()


def test_names_are_found_wherever_the_other_side_has_them():
    assert match(("b", "c", "a"), ("a", "b", "c")) == [1, 2, 0]
    assert match(("c", "a"), ("a", "b", "c")) == [2, 0]
    assert match(("a", "b"), ("a", "b")) == [0, 1]


def test_equal_sequences_match_though_two_classes_share_a_name():
    assert match(("crane", "crane", "dog"), ("crane", "crane", "dog")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (("dog", "crane", "crane"), ("crane", "crane", "dog")),
        (("crane", "dog"), ("crane", "crane", "dog")),
        (("crane", "crane"), ("crane", "dog")),
    ],
)
def test_a_name_of_several_classes_cannot_be_matched(names, known):
    with pytest.raises(
        InputError, match="folder: expected a name of its own .* 'crane'; data.labels=position"
    ):
        match(names, known)


def test_the_first_unknown_name_is_told_with_the_nearest_one():
    with pytest.raises(
        InputError, match=r"folder: expected classes of the checkpoint \(red, green, blue\), got "
    ):
        match(("green", "zz", "red"), ("red", "green", "blue"))
    with pytest.raises(InputError, match=r"got 'zz_blue' \(nearest: blue\); data\.labels=position"):
        match(("green", "zz_blue", "red", "other"), ("red", "green", "blue"))
    with pytest.raises(InputError, match=r"c0, c1, c2, c3, c4, \.\. 1000 in all"):
        match(("x",), tuple(f"c{i}" for i in range(1000)))


def test_names_of_another_unicode_form_are_named_as_such():
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    with pytest.raises(
        InputError, match=r"differs from 'caf\\xe9' only in its Unicode form \('cafe\\u0301'\)"
    ):
        match((decomposed,), ("tea", composed))


def labels_of(cfg):
    dataset = create_dataset(cfg, "val")
    return dataset.classes, np.concatenate([labels for _, labels in dataset.epoch(0)]).tolist()


def test_a_data_set_has_the_labels_of_the_networks_classes(plain, make_folder):
    folder = make_folder(val=6)  # cat and dog, one after the other in files of each class
    own, labels = labels_of(plain(folder))
    assert own == ("cat", "dog") and labels == [0, 0, 0, 1, 1, 1]
    classes, labels = labels_of(plain(folder, classes=["dog", "horse", "cat"]))
    assert classes == ("dog", "horse", "cat") and labels == [2, 2, 2, 0, 0, 0]


def test_labels_of_other_names_are_refused_unless_by_position(plain, make_folder):
    folder = make_folder(val=6)
    with pytest.raises(InputError, match=r"expected classes of the network \(kitten, dog\), got 'cat'"):
        labels_of(plain(folder, classes=["kitten", "dog"]))
    classes, labels = labels_of(plain(folder, classes=["kitten", "puppy"], labels="position"))
    assert classes == ("kitten", "puppy") and labels == [0, 0, 0, 1, 1, 1]
    with pytest.raises(InputError, match="expected 3 classes, as the network has, got 2"):
        labels_of(plain(folder, classes=["a", "b", "c"], labels="position"))


def test_training_labels_are_as_wide_as_the_networks_classes(plain, make_folder):
    cfg = plain(make_folder(), classes=["horse", "dog", "cat"])
    _, labels = next(create_dataset(cfg, "train").epoch(0))
    assert labels.shape == (4, 3) and labels[:, 0].sum() == 0 and (labels.sum(axis=1) == 1).all()


def test_a_folder_that_the_source_does_not_read_is_refused(make_config, tmp_path):
    with pytest.raises(
        InputError, match=r"data\.path: digits are embedded, .* data\.source=cifar10 or imagenet"
    ):
        create_dataset(make_config(path=str(tmp_path)), "val")
