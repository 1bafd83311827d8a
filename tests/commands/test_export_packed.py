"""export.py to packed files of version 3, and the engine that runs them, against the networks that they come from."""

import dataclasses

import numpy as np
import pytest

from src.checkpoint.file import save_checkpoint
from src.engine import Engine
from src.model import registry
from src.model.networks.bimlp import BiMLPOptions
from src.model.variant import Variant
from tests.commands.conftest import succeed
from tests.model.test_released import GOLDEN, build


def table(text):
    """Lines that export.py prints, by the words before column 20."""
    return {line[:20].strip(): line[20:] for line in text.splitlines()}


@pytest.mark.thorough
def test_a_network_with_layer_norm_in_full_precision(tiny, images, logits, tmp_path, monkeypatch):
    small = dataclasses.replace(registry.variants()["bimlp_t"], options=BiMLPOptions((8,), (1,)))
    monkeypatch.setitem(registry.variants(), "bimlp_t", small)
    network = tiny(precision="fp32", norm="layer")
    save_checkpoint(tmp_path / "n.ckpt", network)
    stage = ("stage=teacher", "stages.teacher.model=bimlp_t", "stages.teacher.precision=fp32")
    command = [
        "export.py",
        "--checkpoint",
        tmp_path / "n.ckpt",
        "--model",
        "bimlp_t",
        "--file_format",
        "PACKED",
        *stage,
    ]
    found = table(succeed(*command, "model.norm=layer", "model.num_classes=10", "data.image_size=32"))
    path = tmp_path / "n.packed"
    assert found["model"] == "bimlp_t in fp32, weights of 32 bits" and found["file"] == str(path)
    assert found["bytes"].split()[0] == str(path.stat().st_size)
    x = images(3)
    with Engine.load(path) as engine:
        assert engine.description["variant"] == "bimlp_t"
        np.testing.assert_allclose(engine.logits(x), logits(network, x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["tiny_s", "tiny_m"])
def test_the_engine_gives_the_logits_of_the_released_code(name, tmp_path, monkeypatch):
    """Reduced networks computed by the authors' code; the published files are as these."""
    variant = Variant(lambda classes: build(name), precisions=("binary",))
    monkeypatch.setitem(registry.variants(), "released_bimlp_s", variant)
    golden = np.load(GOLDEN / f"{name}.npz")
    settings = ("model.num_classes=10", f"data.image_size={golden['x'].shape[2]}")
    command = [
        "export.py",
        "--checkpoint",
        GOLDEN / f"{name}.ckpt",
        "--model",
        "released_bimlp_s",
        "--file_format",
        "PACKED",
    ]
    found = table(succeed(*command, "--output", tmp_path / "n.packed", *settings))
    assert found["model"] == "released_bimlp_s in binary, weights at one bit"
    with Engine.load(tmp_path / "n.packed") as engine:
        np.testing.assert_allclose(engine.logits(golden["x"]), golden["logits"], rtol=0, atol=1e-4)
