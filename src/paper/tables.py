"""The tables and Fig. 4 of the paper as data: what each row is, how it is built here, and what the paper prints.

Accuracies are per cent on ImageNet-1k; FLOPs and OPs in 1e8, BOPs in 1e9, for one image of 224 x 224 pixels.
"""

from .rows import Row, Table
from .rows import model_settings as _model
from .table2 import TABLE_2

_S_COST = {"flops": 1.21, "bops": 2.25, "ops": 1.56}
_M_COST = {"flops": 1.21, "bops": 4.32, "ops": 1.88}
_ONE_COUNTER = "rows 1, 2 and 5 cannot come from one additive counter with rows 3 and 4, which agree"
_WAVE_MLP = "80.1 is Wave-MLP-T with depth-wise phases; here the phases come from an FC (Wave-MLP-T: 80.9)"

_TABLE_1 = Table(
    "BiMLP architectures",
    (
        Row("BiMLP-S", "bimlp_s", printed=_S_COST),
        Row("BiMLP-M", "bimlp_m", printed=_M_COST),
    ),
    "Blocks per stage: S 2-2-4-2, M 2-3-10-3.",
    compares=False,
)

_TABLE_3 = Table(
    "Branches of the MBB blocks: spatial and channel ones of block 1, of block 2",
    tuple(
        Row(
            f"{number} ({s1}, {c1}, {s2}, {c2})",
            "bimlp_s",
            settings={} if number == 3 else _model(branches=(s1, c1, s2, c2)),
            printed={"ops": ops, "top1": top1},
            notes={} if number in (3, 4) else {"ops": _ONE_COUNTER},
        )
        for number, (s1, c1, s2, c2), ops, top1 in (
            (1, (4, 0, 0, 2), 1.60, 69.2),
            (2, (0, 2, 4, 0), 1.53, 68.9),
            (3, (2, 1, 2, 1), 1.56, 70.0),
            (4, (4, 1, 2, 2), 1.86, 70.8),
            (5, (2, 2, 4, 1), 1.78, 70.5),
        )
    ),
)

_TABLE_4 = Table(
    "Normalization of the trunk and activation",
    tuple(
        Row(
            f"{norm} {activation}",
            "bimlp_s",
            settings={
                **(_model(norm="layer") if norm == "LN" else {}),
                **(_model(activation=activation.lower()) if activation != "RPReLU" else {}),
            },
            printed={"top1": top1},
        )
        for norm, activation, top1 in (
            ("LN", "GELU", 68.2),
            ("LN", "ReLU", 67.8),
            ("LN", "PReLU", 68.4),
            ("LN", "RPReLU", 69.2),
            ("BN", "GELU", 68.5),
            ("BN", "ReLU", 68.1),
            ("BN", "PReLU", 69.4),
            ("BN", "RPReLU", 70.0),
        )
    ),
    "The norms inside of binary layers (Eq. 10, 11) are BatchNorm in every row, as in the authors' code.",
)

_TABLE_5 = Table(
    "Shortcut connections around binary layers",
    (
        Row("w/o shortcut", "bimlp_s", settings=_model(shortcut="none"), printed={"top1": 68.3}),
        Row("w/ Uni-shortcut", "bimlp_s", printed={"top1": 70.0}),
        Row("w/ shortcut", "bimlp_s", settings=_model(shortcut="same_shape"), printed={"top1": 69.1}),
    ),
    "The text calls this table Tab. 6. The addition of a block's input to its output is there in every row.",
)

_TABLE_6 = Table(
    "Downsampling layer",
    (
        Row(
            "Original",
            "bimlp_s",
            settings=_model(downsample="original"),
            printed={"ops": 2.65, "top1": 70.3},
            notes={"ops": "2.65 cannot come from the counter that gives 1.56 for the proposed row"},
        ),
        Row(
            "Proposed",
            "bimlp_s",
            printed={"ops": 1.56, "top1": 70.0},
        ),
    ),
)

_TABLE_7 = Table(
    "Binarization methods on Wave-MLP",
    (
        Row("FP32", "wave_mlp_t", "fp32", printed={"top1": 80.1}, notes={"top1": _WAVE_MLP}),
        Row("1-bit", "wave_mlp_t", settings=_model(quantizer="sign"), printed={"top1": 55.3}),
        Row("+ Dorefa-Net", "wave_mlp_t", settings=_model(quantizer="dorefa"), printed={"top1": 58.4}),
        Row("+ XNOR-Net", "wave_mlp_t", settings=_model(quantizer="xnor"), printed={"top1": 59.1}),
        Row("+ ReActNet", "wave_mlp_t", settings=_model(quantizer="reactnet"), printed={"top1": 63.2}),
        Row("+ Ours", "bimlp_s", printed={"top1": 70.0}),
    ),
    'The text calls this table Tab. 4. It also says "drops by more than 23 %" of DoReFa-Net, where 80.1 - 58.4 = 21.7.',
)

_TABLE_8 = Table(
    "Wave-MLP and BiMLP in full precision and 1 bit",
    (
        Row("Wave-MLP FP32", "wave_mlp_t", "fp32", printed={"top1": 80.1}, notes={"top1": _WAVE_MLP}),
        Row("Wave-MLP 1-bit", "wave_mlp_t", settings=_model(quantizer="reactnet"), printed={"top1": 63.2}),
        Row("BiMLP FP32", "bimlp_s", "fp32", printed={"top1": 79.9}),
        Row("BiMLP 1-bit", "bimlp_s", printed={"top1": 70.0}),
    ),
    "63.2 is ReActNet's row of Table 7.",
)

_FIG_4 = Table(
    "alpha of the distillation loss (Eq. 13)",
    tuple(
        Row(
            f"alpha {alpha}",
            "bimlp_s",
            settings={} if alpha == 0.9 else {"stages.step1.kd_alpha": alpha, "stages.step2.kd_alpha": alpha},
        )
        for alpha in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    ),
    "The figure's values are lost; the best is 70.0. alpha 0 is training without distillation.",
)

# of the figure's kinds of network those that are built for 32x32 images
_FIG_1 = Table(
    "Top-1 against operations",
    (
        Row("BiMLP", "bimlp_cifar"),
        Row("Bi-Real Net", "birealnet20"),
        Row("ReActNet on ResNet", "react_resnet20"),
        Row("AdaBin", "adabin20"),
        Row("FTBNN", "ftbnn20"),
        Row("MeliusNet", "meliusnet_nano"),
        Row("QuickNet", "quicknet_nano"),
        Row("Wave-MLP, 1-bit", "wave_mlp_nano", settings=_model(quantizer="reactnet")),
    ),
    "The figure is of ImageNet; these are networks for 32x32 images.",
    macs_alone=True,
    against_ops=True,
)

TABLES = {
    "fig1": _FIG_1,
    "1": _TABLE_1,
    "2": TABLE_2,
    "3": _TABLE_3,
    "4": _TABLE_4,
    "5": _TABLE_5,
    "6": _TABLE_6,
    "7": _TABLE_7,
    "8": _TABLE_8,
    "fig4": _FIG_4,
}

# a network of the paper -> the one that stands for it on 32x32 images
SMALL = {"bimlp_s": "bimlp_t", "wave_mlp_t": "wave_mlp_nano"}
