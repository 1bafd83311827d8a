"""Table of the networks, VARIANTS, and their constructor, create_model."""

import difflib
from dataclasses import dataclass

from .arithmetic import make_arithmetic
from .bimlp import BiMLP
from .quantizers import QUANTIZERS
from .released import RELEASED, ReleasedBiMLP
from .wave_mlp import WaveMLP

WIDTHS = (64, 128, 320, 512)
IMAGENET_STEM = (7, 4, 2)  # kernel, stride, padding
BIMLP = {
    "stem": IMAGENET_STEM,
    "branches": (2, 1, 2, 1),
    "downsample": "proposed",
    "token_mixing": "patm",
    "drop_path_rate": 0.0,
}
WAVE_MLP = {"drop_path_rate": 0.0}


@dataclass(frozen=True)
class Variant:
    """Network by its Cell and the default values of its overrides.

    settings: arguments of the Cell besides widths, depths, num_classes and arithmetic. norm: key of NORMS.
    image_size: side, in pixels, of the images that the network is designed for.
    """

    cell: type
    widths: tuple
    depths: tuple
    settings: dict
    norm: str = "batch"
    image_size: int = 224


VARIANTS = {
    # for 32x32 images; not the paper's
    "bimlp_t": Variant(BiMLP, (32, 64, 128, 256), (1, 1, 2, 1), BIMLP, image_size=32),
    "wave_mlp_nano": Variant(WaveMLP, (32, 64, 128, 256), (1, 1, 2, 1), WAVE_MLP, image_size=32),
    # Table 1
    "bimlp_s": Variant(BiMLP, WIDTHS, (2, 2, 4, 2), BIMLP),
    "bimlp_m": Variant(BiMLP, WIDTHS, (2, 3, 10, 3), BIMLP),
    # the baseline
    "wave_mlp_t": Variant(WaveMLP, WIDTHS, (2, 2, 4, 2), WAVE_MLP),
    "wave_mlp_s": Variant(WaveMLP, WIDTHS, (2, 3, 10, 3), WAVE_MLP, norm="layer"),
}
# arguments of make_arithmetic; Wave-MLP has no shortcuts around its layers
ARITHMETIC = ("quantizer", "activation_gradient", "norm", "activation", "backend", "compute_type", "sync_bn")
BIMLP_ARITHMETIC = (*ARITHMETIC, "shortcut")
AUTO = "auto"  # value of an override: the network's default


def model_names():
    """Names of this project's networks."""
    return (*VARIANTS, *RELEASED)


def accepted_overrides(name):
    """Names of create_model's overrides for one of this project's trainable networks; () for others."""
    if name not in VARIANTS:
        return ()
    return ("widths", "depths", *VARIANTS[name].settings, *_arithmetic_of(VARIANTS[name]))


def _arithmetic_of(variant):
    return BIMLP_ARITHMETIC if variant.cell is BiMLP else ARITHMETIC


def image_size_of(name):
    """Side, in pixels, of the images that a network of this project is designed for; 224 for others."""
    return VARIANTS[name].image_size if name in VARIANTS else 224


def default_precision(name):
    """Default precision: "binary" for BiMLP and the released network, "fp32" for Wave-MLP and the models of MindCV."""
    binary = name in RELEASED or (name in VARIANTS and VARIANTS[name].cell is BiMLP)
    return "binary" if binary else "fp32"


def create_model(name, num_classes=1000, precision="binary", **overrides):
    """Network by name: images (B, 3, H, W) -> logits (B, num_classes).

    Args:
        name: bimlp_t, bimlp_s, bimlp_m; wave_mlp_nano, wave_mlp_t, wave_mlp_s; released_bimlp_s, released_bimlp_m
            (evaluation of the authors' checkpoints); or a model of MindCV (fp32 only).
        precision: "fp32", "binary_act" (step 1: binary activations) or "binary" (step 2: binary weights as well).
        overrides: arguments of a MindCV model, as pretrained=True, or of this project's networks:
            widths, depths: channels and blocks of each stage.
            drop_path_rate: of the last block.
            stem: (kernel, stride, padding); BiMLP only.
            branches: (S1, C1, S2, C2); BiMLP only.
            downsample: "proposed", "original"; BiMLP only.
            token_mixing: "patm", "patm_interleaved", "cycle_fc", "axial_shift"; BiMLP only.
            shortcut: "uni", "same_shape", "none"; BiMLP only.
            quantizer: "bimlp", "sign", "xnor", "dorefa", "reactnet", "dsq", "bnn_plus".
            activation_gradient: "auto" (the quantizer's), "ste", "approx_sign", "clip_grad".
            norm: "auto" (the network's), "batch", "layer".
            activation: "auto", "rprelu", "prelu", "relu", "gelu". "auto" is RPReLU in BiMLP, and in a binary Wave-MLP
                whose quantizer includes it; else GELU.
            backend: "auto", "plain", "fast", "fused".
            compute_type: "float32", "float16", "bfloat16".
            sync_bn: whether BatchNorm's statistics are over all workers of the job.

    Raises:
        ValueError: an unknown name, precision or override. The message names the nearest known ones, or all.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes}")
    if name in RELEASED:
        return _released(name, num_classes, precision, overrides)
    if name not in VARIANTS:
        return _mindcv(name, num_classes, precision, overrides)
    variant = VARIANTS[name]
    for key in overrides:
        if key not in accepted_overrides(name):
            raise ValueError(_unknown(f"override of {name}", key, accepted_overrides(name)))
    settings = {"widths": variant.widths, "depths": variant.depths, **variant.settings}
    chosen = {k: overrides.pop(k) for k in _arithmetic_of(variant) if k in overrides}
    if chosen.get("norm", AUTO) == AUTO:
        chosen["norm"] = variant.norm
    if chosen.get("activation", AUTO) == AUTO:
        chosen["activation"] = _default_activation(variant, precision, chosen.get("quantizer", "bimlp"))
    arithmetic = make_arithmetic(precision, **chosen)
    return variant.cell(num_classes=num_classes, arithmetic=arithmetic, **{**settings, **overrides})


def _default_activation(variant, precision, quantizer):
    has_rprelu = precision != "fp32" and getattr(QUANTIZERS.get(quantizer), "rprelu", False)
    return "rprelu" if variant.cell is BiMLP or has_rprelu else "gelu"


def _released(name, num_classes, precision, overrides):
    if precision != "binary" or overrides:
        raise ValueError(
            f"{name}: expected precision binary and no overrides, got {precision} and {overrides}"
        )
    return ReleasedBiMLP(**RELEASED[name], num_classes=num_classes)


def _mindcv(name, num_classes, precision, overrides):
    """Model of MindCV. The import is here because only teachers need the library."""
    import mindcv

    if not mindcv.is_model(name):
        raise ValueError(_unknown("model", name, (*model_names(), *mindcv.list_models())))
    if precision != "fp32":
        raise ValueError(f"{name}: expected precision fp32 for a model of MindCV, got {precision}")
    return mindcv.create_model(name, num_classes=num_classes, **overrides)


def _unknown(kind, name, known):
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known[:12])}"
    return f"unknown {kind}: {name!r}; {hint}"
