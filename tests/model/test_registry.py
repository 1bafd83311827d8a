"""The registry: the variants of every file in networks/, and the overrides that each takes."""

import sys

import pytest

from src.model import accepted_overrides, create_model, registry
from src.model.networks.bimlp import BiMLPOptions
from src.model.variant import LAYER_OPTIONS, Variant

FILE = "from src.model.variant import Variant\nVARIANTS = {'%s': Variant(None)}\n"


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """A folder whose files count as files of networks/, for registry.variants.__wrapped__."""
    registry.variants()  # without it
    monkeypatch.setattr(registry.networks, "__path__", [*registry.networks.__path__, str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("src.model.networks.added")]:
        del sys.modules[name]


def test_variants_of_a_new_file_are_found(networks):
    (networks / "added_one.py").write_text(FILE % "new_t")
    found = registry.variants.__wrapped__()
    assert found.keys() - registry.variants().keys() == {"new_t"}


def test_a_name_in_two_files_is_refused(networks):
    (networks / "added_two.py").write_text(FILE % "wave_mlp_t")
    with pytest.raises(ValueError, match=r"expected new names of variants, got \['wave_mlp_t'\]"):
        registry.variants.__wrapped__()


def test_overrides_are_the_options_and_the_layers_options_that_are_not_fixed():
    assert accepted_overrides("bimlp_s") == (*BiMLPOptions.__dataclass_fields__, *LAYER_OPTIONS)
    assert set(LAYER_OPTIONS) - set(accepted_overrides("wave_mlp_s")) == {"shortcut"}
    assert accepted_overrides("released_bimlp_s") == accepted_overrides("resnet18") == ()


def test_options_take_values_of_their_defaults_types():
    variant = Variant(None, BiMLPOptions())
    changed = variant.with_options({"widths": [8, 16], "depths": [1, 1], "drop_path_rate": 0})
    assert changed == BiMLPOptions((8, 16), (1, 1), drop_path_rate=0.0)
    for name, value, message in (
        ("widths", 8, "widths: expected tuple, got 8"),
        ("drop_path_rate", "much", "drop_path_rate: expected float, got 'much'"),
        ("downsample", 2, "downsample: expected str, got 2"),
        ("widths", ["a"], "widths: expected int, got 'a'"),
        ("depths", [1, 1, 1.5, 1], "depths: expected int, got 1.5"),
        ("stem", [7, 4], r"stem: expected \(kernel, stride, padding\), got \(7, 4\)"),
        ("stem", [7, 0, 2], r"stem: expected \(kernel, stride, padding\), got \(7, 0, 2\)"),
        ("depths", [1, 1], "depths: expected one per width, 4 in all"),
        ("widths", [8, 8, 8, -1], "widths and depths: expected at least 1 each"),
    ):
        with pytest.raises(ValueError, match=message):
            variant.with_options({name: value})


def test_a_released_network_takes_no_override():
    with pytest.raises(ValueError, match="unknown override of released_bimlp_s: 'norm'; known are none"):
        create_model("released_bimlp_s", norm="layer")
