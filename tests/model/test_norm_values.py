"""BatchNorms that would see one value per channel in training are refused, and nothing else is."""

import mindspore as ms
import pytest

from src.commands.build import require_norm_values
from src.common.errors import InputError
from src.model import create_model, norms_of_one_value
from src.settings.config import load_config

# side of the maps of bimlp_t's stages: (image + 2 * 2 - 7) // 4 + 1 after the stem, halved and rounded up three times
SIDES = {16: (4, 2, 1, 1), 36: (9, 5, 3, 2)}


@pytest.fixture(scope="module")
def network():
    narrow = {"widths": (4, 6, 8, 10), "depths": (1, 1, 1, 1), "branches": (0, 1, 0, 1), "backend": "plain"}
    return create_model("bimlp_t", 10, "binary", **narrow)


@pytest.mark.parametrize("size", SIDES)
def test_the_norms_of_one_value_are_those_of_1x1_maps(network, size):
    """And those of the reweight MLPs, which see means over whole maps."""
    mode, found = ms.get_context("mode"), norms_of_one_value(network, size)
    assert ms.get_context("mode") == mode and len(found) == len(set(found))
    for stage, side in enumerate(SIDES[size]):
        assert (f"stages.{stage}.0.norm1" in found) == (side == 1)
        assert f"stages.{stage}.0.block1.reweight.fc1.norm" in found
    assert ("norm" in found) == (SIDES[size][-1] == 1)
    assert "stem.norm" not in found


def require(name, *overrides, workers=1):
    config = load_config(None, ["model.branches=[0,1,0,1]", *overrides])
    require_norm_values(config, name, 10, "fp32", workers)


def test_a_batch_of_one_is_refused_with_what_helps():
    """A larger image does not help BiMLP's reweight MLPs. Two workers have statistics of their own."""
    # two of each block's reweight MLP, six more of each of the three blocks on 1 x 1 maps, the last downsampling's, the head's
    norms = 2 * 5 + 6 * 3 + 1 + 1
    with pytest.raises(InputError) as refused:
        require("bimlp_t", "data.batch_size=1", "data.image_size=16", workers=2)
    assert str(refused.value) == (
        "bimlp_t: BatchNorm in training: expected more than one value per channel, got one in "
        f"stages.0.0.block1.reweight.fc1.norm and {norms - 1} more, where maps are 1 x 1; give a larger data.batch_size (now 1)"
    )
    with pytest.raises(InputError, match=r"batch_size \(now 1\) or data.image_size \(now 9\)$"):
        require(
            "wave_mlp_nano",
            "data.batch_size=1",
            "data.image_size=9",
            "model.name=wave_mlp_nano",
            "model.branches=[2,1,2,1]",
        )


@pytest.mark.parametrize(
    ("name", "overrides", "workers"),
    [("wave_mlp_nano", ("data.batch_size=1", "data.image_size=40", "model.name=wave_mlp_nano", "model.branches=[2,1,2,1]"), 1),
     ("bimlp_t", ("data.batch_size=2", "data.image_size=1"), 1),
     ("bimlp_t", ("data.batch_size=1", "model.sync_bn=true"), 2)],
)  # fmt: skip
def test_more_values_are_not_refused(name, overrides, workers):
    require(name, *overrides, workers=workers)
