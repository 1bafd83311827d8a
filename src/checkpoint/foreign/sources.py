"""Sources of weights: for each the names of its networks' layers in ours, and how pictures are fed to it."""

import re
from dataclasses import dataclass, field

from src.checkpoint.foreign.ordered import BATCH_NORM, Order
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
        r".*\.norm\d?": BATCH_NORM,
        r"stem\.conv2": "quant_depthwise_conv2d",
        r".*\.blur": "depthwise_conv2d",
        r"head": "quant_dense",
        r".*\.conv\d?": "quant_conv2d",
    }
)


@dataclass(frozen=True)
class Source:
    """Source of weights.

    networks: beginning of our networks' names -> Rules of its names, or an Order; of several that fit the longest counts.
    mean, std: of the pixels in [0, 1] that its networks are fed with.
    classes: name of our network -> names of its classes, where the source publishes weights for a known data set.
    options: options of our network as the source has it, model.options.
    """

    networks: dict
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)
    classes: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def rules(self, name):
        """Rules, or the Order, for our network of a name; None for one that the source does not have."""
        fitting = [start for start in self.networks if name.startswith(start)]
        return self.networks[max(fitting, key=len)] if fitting else None


# labels of CIFAR-10 in their order
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SOURCES = {
    "birealnet": Source({"birealnet": BIREALNET}),
    "reactnet": Source({"reactnet": REACTNET, "react_resnet": REACT_RESNET}),
    "adabin": Source({"adabin": ADABIN}, classes={"adabin20": CIFAR10}),
    "larq": Source({"quicknet": QUICKNET}),
}


def class_count(arrays):
    """Number of classes by the bias of the classifier, found by its name; 0 where there is none."""
    found = [len(array) for name, array in arrays.items() if HEAD_BIAS.search(name) and array.ndim == 1]
    return found[0] if len(found) == 1 else 0
