"""Sources of weights: for each the names of its networks' layers in ours, and how pictures are fed to it."""

import re
from dataclasses import dataclass, field

from src.checkpoint.foreign.ordered import WORDS, Order
from src.checkpoint.foreign.rules import NORM, Rule

# name of the classifier's bias in any source
HEAD_BIAS = re.compile(r"(^|[./])(fc|linear|head_dense|(quant_)?dense(_\d+)?|\w+_logits)[./]bias$")
COUNTS = Rule(r".*", "", {"num_batches_tracked": ""}, "counts of batches, which only training reads")
STAGE = r"layer(?P<stage_from_1>\d+)\.(?P<unit>\d+)"
UNIT = "stages.{stage}.{unit}"
# of PyTorch's ResNets: stem, strided shortcuts and classifier
TRUNK = (
    COUNTS,
    Rule(r"conv1", "stem.conv"),
    Rule(r"bn1", "stem.norm", NORM),
    Rule(rf"{STAGE}\.downsample\.1", f"{UNIT}.shortcut.conv"),
    Rule(rf"{STAGE}\.downsample\.2", f"{UNIT}.shortcut.norm", NORM),
    Rule(r"fc|linear", "head"),
)
BIREALNET = (
    *TRUNK,
    Rule(rf"{STAGE}\.binary_conv", f"{UNIT}.fc"),
    Rule(rf"{STAGE}\.bn1", f"{UNIT}.norm", NORM),
)
SHIFT, SLOPE = {"bias": "shift_in"}, {"weight": "slope"}
SHIFT_OUT = {"bias": "shift_out"}
REACT_RESNET = (
    *BIREALNET,
    Rule(rf"{STAGE}\.move0", f"{UNIT}.fc.rsign"),
    Rule(rf"{STAGE}\.move1", f"{UNIT}.act", SHIFT),
    Rule(rf"{STAGE}\.prelu", f"{UNIT}.act", SLOPE),
    Rule(rf"{STAGE}\.move2", f"{UNIT}.act", SHIFT_OUT),
)
FEATURE = r"feature\.(?P<block_from_1>[1-9]\d*)"
SPATIAL, POINTWISE = "blocks.{block}.spatial", "blocks.{block}.pointwise"
REACTNET = (
    COUNTS,
    Rule(r"feature\.0\.conv1", "stem.conv"),
    Rule(r"feature\.0\.bn1", "stem.norm", NORM),
    Rule(rf"{FEATURE}\.move11", f"{SPATIAL}.fc.rsign"),
    Rule(rf"{FEATURE}\.binary_3x3", f"{SPATIAL}.fc"),
    Rule(rf"{FEATURE}\.bn1", f"{SPATIAL}.norm", NORM),
    Rule(rf"{FEATURE}\.move12", f"{SPATIAL}.act", SHIFT),
    Rule(rf"{FEATURE}\.prelu1", f"{SPATIAL}.act", SLOPE),
    Rule(rf"{FEATURE}\.move13", f"{SPATIAL}.act", SHIFT_OUT),
    Rule(rf"{FEATURE}\.move21", f"{POINTWISE}.fc.rsign"),
    # where the width doubles, two convolutions and norms whose outputs are concatenated
    Rule(rf"{FEATURE}\.binary_pw(_down(?P<part_from_1>[12]))?", f"{POINTWISE}.fc"),
    Rule(rf"{FEATURE}\.bn2(_(?P<part_from_1>[12]))?", f"{POINTWISE}.norm", NORM),
    Rule(rf"{FEATURE}\.move22", f"{POINTWISE}.act", SHIFT),
    Rule(rf"{FEATURE}\.prelu2", f"{POINTWISE}.act", SLOPE),
    Rule(rf"{FEATURE}\.move23", f"{POINTWISE}.act", SHIFT_OUT),
    Rule(r"fc", "head"),
)

BLOCK = r"layer(?P<stage_from_1>\d+)\.(?P<block>\d+)"  # of two units
HALF = r"(?P<half_from_1>[12])"
TWO_SLOPE = {"pos_scale": "positive", "neg_scale": "negative"}
ADABIN = (
    COUNTS,
    Rule(r"conv1", "stem.conv"),
    Rule(r"bn1", "stem.norm", NORM),
    Rule(r"nonlinear1", "stem.act", TWO_SLOPE),
    Rule(rf"{BLOCK}\.conv{HALF}", f"{UNIT}.fc"),
    Rule(rf"{BLOCK}\.conv{HALF}\.binary_a", f"{UNIT}.fc.rsign", {"alpha_a": "alpha", "beta_a": "beta"}),
    Rule(rf"{BLOCK}\.bn{HALF}", f"{UNIT}.norm", NORM),
    Rule(rf"{BLOCK}\.nonlinear{HALF}", f"{UNIT}.act", TWO_SLOPE),
    Rule(rf"{BLOCK}\.downsample\.1", f"{UNIT}.shortcut.conv"),
    Rule(rf"{BLOCK}\.downsample\.2", f"{UNIT}.shortcut.norm", NORM),
    Rule(r"bn2", "head_norm", NORM),
    Rule(r"nonlinear2|bn3", "", {}, "a layer that the authors' network has and does not use"),
    Rule(r"fc|linear", "head"),
)
QUICKNET = Order(
    {
        r".*\.norm\d?": "batch_normalization",
        r"stem\.conv2": "quant_depthwise_conv2d",
        r".*\.blur": "depthwise_conv2d",
        r".*\.conv\d?": "quant_conv2d",
        r"head": "quant_dense",
    }
)
MELIUSNET = Order(
    {
        r".*\.dense_norm": "section_#_block_#_dense_bn",
        r".*\.dense_conv": "section_#_block_#_dense_binconv",
        r".*\.improve_norm": "section_#_block_#_improve_bn",
        r".*\.improve_conv": "section_#_block_#_improve_binconv",
        r".*\d\.norm": "section_#_transition_bn",
        r".*\d\.conv": "section_#_transition_pw",
    },
    fixed=(
        *(Rule(rf"(.*/)?stem_s{i}_bn", f"stem.norm{i + 1}", WORDS) for i in range(3)),
        Rule(r"(.*/)?stem_s0_conv", "stem.conv1", WORDS),
        # a convolution in groups, one kernel for each
        *(Rule(rf"(.*/)?stem_s{i}_groupconv_conv(?P<part>\d)", f"stem.conv{i + 1}", WORDS) for i in (1, 2)),
        Rule(r"(.*/)?head_bn", "norm", WORDS),
        Rule(r"(.*/)?head_dense", "head", WORDS),
    ),
)
REAL_TO_BINARY = Order(
    {
        r".*shortcut\.conv": "r2b_bnn_block_#_shortcut_conv2d",
        r".*shortcut\.norm": "r2b_bnn_block_#_shortcut_batch_norm",
        r".*\.conv": "r2b_bnn_block_#_conv2d",
        r".*\.norm": "r2b_bnn_block_#_batch_norm",
        r".*\.act": "r2b_bnn_block_#_prelu",
        r".*\.gate\.reduce": "r2b_bnn_block_#_scaling_dense_reduce",
        r".*\.gate\.expand": "r2b_bnn_block_#_scaling_dense_expand",
        r"head": "r2b_bnn_block_#_logits",
    }
)
BIREALNET_LARQ = Order(
    {
        r".*\.norm": "batch_normalization",
        r"stem\.conv|.*shortcut\.conv": "conv2d",
        r".*\.fc": "quant_conv2d",
        r"head": "dense",
    },
    group=r"stages\.\d+\.\d+\.",
    ahead=r"shortcut",
)


@dataclass(frozen=True)
class Source:
    """Source of weights.

    networks: beginning of our networks' names -> Rules of its names, or an Order.
    options: beginning of our networks' names -> model.options of a network as the source has it.
    classes: our networks' names -> names of the classes, where the source publishes weights for a known data set.
    mean, std: of the pixels in [0, 1] that its networks are fed with.
    """

    networks: dict
    options: dict = field(default_factory=dict)
    classes: dict = field(default_factory=dict)
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)

    def rules(self, name):
        """Rules, or the Order, for our network of a name; None for one that the source does not have."""
        return _by_beginning(self.networks, name)

    def options_of(self, name):
        """Options of our network of a name."""
        return _by_beginning(self.options, name) or {}


def _by_beginning(table, name):
    """Value of the key that a name begins with, None where there is none."""
    return next((value for key, value in table.items() if name.startswith(key)), None)


# of CIFAR-10, in the order of its labels
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# of networks that have symmetric windows and PyTorch's eps otherwise
TENSORFLOW = {"same_padding": True, "norm_eps": 1e-3}
SOURCES = {
    "birealnet": Source({"birealnet": BIREALNET}),
    "reactnet": Source({"reactnet_a": REACTNET, "react_resnet": REACT_RESNET}),
    "adabin": Source(
        dict.fromkeys(("adabin18", "adabin20", "adabin34"), ADABIN), classes={"adabin20": CIFAR10}
    ),
    "larq": Source(
        {
            "quicknet": QUICKNET,
            "meliusnet": MELIUSNET,
            "real_to_binary": REAL_TO_BINARY,
            "birealnet": BIREALNET_LARQ,
        },
        options={"birealnet": TENSORFLOW},
    ),
}


def class_count(arrays):
    """Number of classes by the bias of the classifier, found by its name; 0 where there is none."""
    found = [len(array) for name, array in arrays.items() if HEAD_BIAS.search(name) and array.ndim == 1]
    return found[0] if len(found) == 1 else 0
