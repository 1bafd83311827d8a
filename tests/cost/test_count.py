"""The cost counter, by arithmetic that a reader can follow, and against the paper's Table 1."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from src.checkpoint.file import save_checkpoint
from src.commands.cost import main
from src.common.errors import InputError
from src.cost.count import cost_of
from src.model import create_model
from tests.calls import call

ROOT = Path(__file__).resolve().parents[2]
# one stage of one block, 8 channels; 32 x 32 pixels: the stem (7 x 7, stride 4, padding 2) gives 8 x 8 positions
C, N, CLASSES = 8, 8 * 8, 10
ONE_BLOCK = {"widths": (C,), "depths": (1,)}


def totals(name="bimlp_t", precision="binary", size=32, classes=CLASSES, **overrides):
    return cost_of(create_model(name, classes, precision, backend="plain", **overrides), size).totals()


def test_one_block_by_hand():
    found = totals(**ONE_BLOCK)
    patm = 2 * (
        C * C * N + C * C * N + 2 * C * 7 * N
    )  # per direction: phase FC, amplitude FC, local FC over 2 C waves
    block1 = (
        patm + C * C * N + (C * (C // 4) + (C // 4) * 3 * C) + C * C * N
    )  # channel FC, reweight MLP (1 position), projection
    block2 = 2 * C * 7 * N + C * 4 * C * N + 4 * C * C * N  # two depth-wise FCs, the MLP
    assert found["bops_macs"] == block1 + block2 == 14 * C * C * N + 42 * C * N + C * C
    stem, head = 3 * 7 * 7 * C * N, C * CLASSES
    assert found["flops_macs"] == stem + head
    assert found["flops"] == stem + C * N + head + CLASSES
    # biases of the counterparts: two phase FCs, the projection, the MLP (4 C and C), the reweight MLP (C / 4 and 3 C)
    biases = 2 * C * N + C * N + 4 * C * N + C * N + C // 4 + 3 * C
    assert found["bops"] == block1 + block2 + biases
    assert found["ops"] == found["flops"] + found["bops"] / 64
    assert found["ops_macs"] == found["flops_macs"] + found["bops_macs"] / 64


def test_elements_of_one_block_by_hand():
    found = totals(**ONE_BLOCK)["elementwise"]
    reweight = C // 4 + 3 * C
    layers = (
        4 * C + 2 * C + C + C + 2 * C + 4 * C + C
    )  # phase and amplitude, local FCs, channel FC, projection; S2, MLP
    assert (
        found["normalisation"] == C * N * 3 + C * N + layers * N + reweight
    )  # stem, norm1, norm2; the last norm; layers
    assert found["activation"] == C * N + layers * N + reweight  # stem, layers
    inputs = 4 * C + 2 * 2 * C + C + C + 2 * C + C + 4 * C
    assert found["sign"] == inputs * N + C + C // 4
    assert found["trigonometry"] == 2 * 2 * C * N  # cos and sin, two directions
    assert found["pooling"] == 0


def test_pooling_and_downsampling_by_hand():
    found = totals(widths=(C, 2 * C), depths=(1, 1), branches=(0, 1, 0, 1))
    assert found["elementwise"]["pooling"] == 2 * C * (4 * 4)
    assert (
        found["flops_macs"] == 3 * 7 * 7 * C * N + C * 2 * C * N + 2 * C * CLASSES
    )  # the FC at the incoming resolution
    original = totals(widths=(C, 2 * C), depths=(1, 1), branches=(0, 1, 0, 1), downsample="original")
    assert original["flops_macs"] == 3 * 7 * 7 * C * N + 3 * 3 * C * 2 * C * (4 * 4) + 2 * C * CLASSES


def test_parameters_of_one_block_by_hand(tmp_path):
    network = create_model("bimlp_t", CLASSES, backend="plain", **ONE_BLOCK)
    cost = cost_of(network, 32, "bimlp_t")
    patm = 2 * (C * C + C * C + 2 * C * 7)
    weights = patm + C * C + C * (C // 4) + C // 4 * 3 * C + C * C + 2 * C * 7 + C * 4 * C + 4 * C * C
    assert cost.params_binary == weights
    outputs = 4 * C + 2 * C + C + C // 4 + 3 * C + C + 2 * C + 4 * C + C
    inputs = 4 * C + 2 * 2 * C + C + C + C // 4 + C + 2 * C + C + 4 * C
    per_layer = inputs + (2 + 3) * outputs  # RSign; gamma, beta, RPReLU
    stem = 3 * 7 * 7 * C + C + (2 + 3) * C
    rest = (
        per_layer + stem + 3 * 2 * C + 2 + C * CLASSES + CLASSES
    )  # norm1, norm2, the last norm; two merge scalars; head
    assert cost.params == weights + rest
    save_checkpoint(tmp_path / "n.ckpt", network)
    assert cost.checkpoint_bytes == (tmp_path / "n.ckpt").stat().st_size


def test_packed_bytes_of_one_block_by_hand():
    """By FORMAT.md: words of 4 bytes for the nodes, then for their numbers and bits."""
    binarize, affine, prelu, unary, add, group_mean, mean = 4, 4, 4, 3, 3, 3, 2  # affine: two vectors
    conv, binary_conv = 11, 12  # value, filter, stride, padding, groups; and pad_value
    stem = conv + affine + prelu + affine
    layers = (
        4 + 2 + 1 + 2 + 1 + 2 + 2
    )  # phase and amplitude, mixing; channel, reweight, projection; local, MLP
    layer = binarize + binary_conv + affine + add + prelu + affine
    shortcuts = (
        4 * group_mean + (2 + 12) + (2 + 4)
    )  # narrower: mixing, reweight, MLP; wider: copies of the input
    wave = 2 * unary + 2 * add + (2 + 2)  # cos and sin, two products, their concatenation
    reweight = (
        3 * add + mean + 3 + 3 * (5 + add + add)
    )  # sum, mean, softmax; of each branch a slice, a product, a sum
    block = affine + layers * layer + shortcuts + 2 * wave + reweight + add + affine + 2 * add + add
    nodes = stem + block + affine + mean + conv + affine
    inputs = 4 * C + 2 * 2 * C + C + C + C // 4 + C + 2 * C + C + 4 * C
    outputs = 4 * C + 2 * C + C + C // 4 + 3 * C + C + 2 * C + 4 * C + C
    # threshold; factor and offset; slopes, of which one is 1; a shift with the factor 1, or with that of a merge
    numbers = inputs + 2 * outputs + (outputs + layers) + (outputs + layers)
    numbers += 3 * 7 * 7 * C + 2 * C + (C + 1) + (C + 1)  # stem
    numbers += 3 * 2 * C + C * CLASSES + CLASSES + 1  # norm1, norm2, the last norm; head
    filters = 6 * [C * C] + 2 * [2 * C * 7] + [C * C // 4, C // 4 * 3 * C] + 2 * [C * 7] + 2 * [4 * C * C]
    bits = sum(-(-weights // 32) for weights in filters)
    header = 96 + len("bimlp_t") + 9  # filled up to a multiple of 16
    found = cost_of(
        create_model("bimlp_t", CLASSES, backend="plain", **ONE_BLOCK), 32, "bimlp_t"
    ).packed_bytes
    assert found == header + 4 * (nodes + numbers + bits) + len("CRC-")


@pytest.mark.parametrize("name,flops,bops,ops,flops_macs,bops_macs", [
    ("bimlp_s", 1.2088e8, 2.2491e9, 1.5603e8, 1.1993e8, 2.2418e9),
    ("bimlp_m", 1.2088e8, 4.3206e9, 1.8839e8, 1.1993e8, 4.3094e9),
    ("released_bimlp_s", 1.2088e8, 2.2491e9, 1.5603e8, 1.1993e8, 2.2418e9),
])  # fmt: skip
def test_table_1(name, flops, bops, ops, flops_macs, bops_macs):
    found = totals(name, size=224, classes=1000) if name.startswith("bimlp") else released(name)
    expected = {"flops": flops, "bops": bops, "ops": ops, "flops_macs": flops_macs, "bops_macs": bops_macs}
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-4), key


@pytest.mark.parametrize("name,most", [("bimlp_s", 6.4e6), ("bimlp_m", 9.5e6)])
def test_packed_bytes_of_the_papers_networks(name, most):
    """Most of a file are bits: an eighth of a byte for each binary weight."""
    found = totals(name, size=224, classes=1000)
    assert found["params_binary"] / 8 < found["packed_bytes"] <= most


def released(name):
    return cost_of(create_model(name), 224).totals()


def test_wave_mlp_has_no_binary_operations_unless_binarized():
    full, binary = (totals("wave_mlp_nano", precision) for precision in ("fp32", "binary"))
    assert full["bops"] == full["params_binary"] == full["elementwise"]["sign"] == 0
    assert full["flops_macs"] == binary["flops_macs"] + binary["bops_macs"]
    assert full["flops"] == binary["flops"] + binary["bops"]


def test_wave_mlp_t_has_the_published_cost():
    found = totals("wave_mlp_t", "fp32", 224, 1000)
    assert 2.4e9 <= found["flops_macs"] < 2.5e9 and 17.0e6 <= found["params"] < 18.0e6


def test_step_1_counts_as_full_precision():
    """One-bit activations with real weights are neither counted by XNOR nor stored in a bit."""
    step1, fp32 = totals(precision="binary_act", **ONE_BLOCK), totals(precision="fp32", **ONE_BLOCK)
    assert step1["bops"] == step1["params_binary"] == 0 and step1["flops"] == fp32["flops"]
    assert step1["elementwise"]["sign"] > 0


def test_a_teacher_of_mindcv():
    found = cost_of(create_model("resnet18", CLASSES, "fp32"), 64).totals()
    assert found["bops"] == found["params_binary"] == 0
    assert found["packed_bytes"] == pytest.approx(4 * found["params"], rel=1e-3)
    # published at 224: 1.8e9 MACs, 11.7 million parameters with 1000 classes
    positions = (64 / 224) ** 2
    assert found["flops_macs"] == pytest.approx(1.814e9 * positions, rel=0.01)
    assert found["params"] == pytest.approx(11.69e6 - 990 * 513, rel=1e-3)


def test_refuses_an_image_size_at_which_the_network_cannot_run():
    with pytest.raises(InputError, match="image_size 1: the network cannot run"):
        cost_of(create_model("bimlp_t", 10, backend="plain"), 1)


def command(*arguments):
    return call(main, *arguments)


def test_command_prints_layers_totals_and_one_json_object():
    done = command("--model", "bimlp_t", "--json", "model.shortcut=none")
    found = json.loads(done.stdout)
    assert set(found) == {
        "flops", "bops", "ops", "flops_macs", "bops_macs", "ops_macs", "params", "params_binary", "checkpoint_bytes",
        "packed_bytes", "elementwise",
    }  # fmt: skip
    process = [sys.executable, "-m", "src.commands.cost", "--model", "bimlp_t"]
    text = subprocess.run(process, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "stages.0.0.block1.width.0.phase_fc.fc" in text and "= stages.0" in text
    assert f"{found['bops']:,}" in text and f"{found['checkpoint_bytes']:,}" in text


@pytest.mark.parametrize("arguments,message", [
    (("--model", "bimlp_x"), "unknown model: 'bimlp_x'; did you mean"),
    (("--model", "bimlp_t", "model.quantizer=rotated"), "model.quantizer: expected one of auto, bimlp, sign"),
    (("--model", "bimlp_t", "model.branches=[1,1,2,1]"), "four counts of 0 or more, the first and the third even"),
    (("--model", "bimlp_t", "--image_size", "0"), "--image_size: expected 1 pixel or more, got 0"),
    (("--model", "wave_mlp_t", "model.shortcut=none"), "model.shortcut: wave_mlp_t has no such switch"),
    (("--model", "resnet18", "model.norm=layer"), "model.norm: resnet18 has no such switch; expected auto, got layer"),
    (("--model", "bimlp_t", "--precision", "int8"), "precision: expected one of fp32"),
])  # fmt: skip
def test_command_refuses_in_one_line(arguments, message):
    done = command(*arguments)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
