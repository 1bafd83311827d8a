"""Recipes for ImageNet in config/: they are settings that are known, and say what they are."""

import re

import pytest

from src.settings.config import DEFAULT_CONFIG, load_config

CONFIG = DEFAULT_CONFIG.parent / "config"
RECIPES = sorted(CONFIG.glob("*_imagenet.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_readable_and_says_that_it_was_not_run(path):
    config = load_config(path)
    head = path.read_text().partition("\nmodel:")[0].replace("\n#", "")
    assert "NOT RUN HERE: no such devices" in head and f"config/{path.name}" in head
    assert f"{config.model.name}_imagenet" == path.stem
    assert (config.data.source, config.data.image_size) == ("imagenet", 224)
    total = config.train.base_batch_size
    assert 8 * config.data.batch_size == total == int(re.search(r"data\.batch_size=(\d+)/devices", head)[1])
    assert config.stages.step2.epochs > 0


def test_each_family_of_table_2_has_a_recipe_with_its_schedule():
    families = {path.stem.removesuffix("_imagenet").rstrip("0123456789") for path in RECIPES}
    assert families == {
        "bimlp_s", "bimlp_m", "birealnet", "xnornet", "reactnet_a", "real_to_binary", "adabin", "meliusnet",
        "quicknet", "ftbnn",
    }  # fmt: skip
    for name in ("birealnet18", "reactnet_a", "ftbnn18"):
        assert load_config(CONFIG / f"{name}_imagenet.yaml").train.schedule == "linear"
    steps = load_config(CONFIG / "real_to_binary18_imagenet.yaml")
    assert (steps.train.schedule, steps.train.decay_epochs) == ("steps", (40, 60, 70))
