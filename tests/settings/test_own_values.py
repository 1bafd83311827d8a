"""Settings that stand for a network's own, by name."""

import pytest

from src.commands.build import build_network
from src.commands.run_folder import begin_folder, check_folder
from src.common.errors import InputError
from src.settings.config import load_config, with_values
from src.settings.own_values import with_quantizer

OWN = {"bimlp_t": "bimlp", "react": "reactnet"}


def named(*overrides, stage="step2"):
    return with_quantizer(load_config(None, overrides), stage, OWN.get)["model.quantizer"]


def test_auto_is_the_name_of_the_networks_quantizer():
    assert named("model.name=bimlp_t") == "bimlp"
    assert named("model.name=bimlp_t", "stages.step2.model=react") == "reactnet"
    assert named("model.name=bimlp_t", "stages.step2.model=react", stage="step1") == "bimlp"
    assert named("model.name=react", "model.quantizer=sign") == "sign"


def test_all_other_settings_stay():
    config = load_config(None, ["model.name=bimlp_t"])
    values = with_quantizer(config, "all", OWN.get)
    assert values["model.name"] == "bimlp_t" and values["model.shortcut"] == "uni"


@pytest.mark.parametrize("saved,given", [("bimlp", "auto"), ("auto", "bimlp"), ("auto", "auto")])
def test_a_run_goes_on_whose_file_has_the_name(tmp_path, saved, given):
    begin_folder(tmp_path, load_config(None, [f"model.quantizer={saved}"]))
    (tmp_path / "state.ckpt").touch()
    check_folder(tmp_path, load_config(None, ["resume=true", f"model.quantizer={given}"]))
    with pytest.raises(InputError, match="model.quantizer differ"):
        check_folder(tmp_path, load_config(None, ["resume=true", "model.quantizer=sign"]))


def test_a_network_without_a_quantizer_takes_the_former_default():
    config = load_config(None, ["model.name=resnet18", "model.quantizer=bimlp", "data.image_size=32"])
    build_network(config, "resnet18", 3, "fp32")
    config = with_values(config, {"model.quantizer": "sign"})
    with pytest.raises(
        InputError, match="model.quantizer: resnet18 has no such switch; expected auto, got sign"
    ):
        build_network(config, "resnet18", 3, "fp32")
