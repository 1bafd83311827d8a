"""One table of variants and one public entry, create_model."""

import difflib
from dataclasses import dataclass

from .arithmetic import make_arithmetic
from .bimlp import BiMLP
from .released import RELEASED, ReleasedBiMLP
from .wave_mlp import WaveMLP

WIDTHS = (64, 128, 320, 512)
IMAGENET_STEM = (7, 4, 2)  # kernel, stride, padding
BIMLP = {"branches": (2, 1, 2, 1), "downsample": "proposed", "drop_path_rate": 0.0}


@dataclass(frozen=True)
class Variant:
    """A network: its Cell, and the arguments that tell it from its sisters; all of them can be overridden."""

    cell: type
    widths: tuple
    depths: tuple
    settings: dict


VARIANTS = {
    # for 32x32 images; not the paper's
    "bimlp_t": Variant(BiMLP, (32, 64, 128, 256), (1, 1, 2, 1), {"stem": IMAGENET_STEM, **BIMLP}),
    # Table 1
    "bimlp_s": Variant(BiMLP, WIDTHS, (2, 2, 4, 2), {"stem": IMAGENET_STEM, **BIMLP}),
    "bimlp_m": Variant(BiMLP, WIDTHS, (2, 3, 10, 3), {"stem": IMAGENET_STEM, **BIMLP}),
    # the baseline
    "wave_mlp_t": Variant(WaveMLP, WIDTHS, (2, 2, 4, 2), {"norm": "batch", "drop_path_rate": 0.0}),
    "wave_mlp_s": Variant(WaveMLP, WIDTHS, (2, 3, 10, 3), {"norm": "group", "drop_path_rate": 0.0}),
}
ARITHMETIC = ("activation_gradient", "form", "compute_type")


def model_names():
    """The names of this project's networks."""
    return (*VARIANTS, *RELEASED)


def accepted_overrides(name):
    """The names of create_model's overrides for one of this project's trainable networks; () for others."""
    if name not in VARIANTS:
        return ()
    return ("widths", "depths", *VARIANTS[name].settings, *ARITHMETIC)


def create_model(name, num_classes=1000, precision="binary", **overrides):
    """A network by name: images (B, 3, H, W) -> logits (B, num_classes).

    Args:
        name: bimlp_t, bimlp_s, bimlp_m; wave_mlp_t, wave_mlp_s (precision "fp32" only);
            released_bimlp_s, released_bimlp_m (evaluation of the authors' checkpoints); or any model of
            MindCV (fp32 only), whose arguments `overrides` then are, e.g. pretrained=True.
        precision: "fp32", "binary_act" (step 1: binary activations) or "binary" (step 2: weights as well).
        overrides: widths, depths, stem=(kernel, stride, padding), branches=(S1, C1, S2, C2), downsample
            ("proposed", "original"), drop_path_rate; activation_gradient ("window", "polynomial", "clip"),
            form ("auto", "plain", "fast", "fused"), compute_type ("float32", "float16", "bfloat16").

    Raises:
        ValueError: an unknown name, precision or override, with what is known.
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
    arithmetic = make_arithmetic(precision, **{k: overrides.pop(k) for k in ARITHMETIC if k in overrides})
    return variant.cell(num_classes=num_classes, arithmetic=arithmetic, **{**settings, **overrides})


def _released(name, num_classes, precision, overrides):
    if precision != "binary" or overrides:
        raise ValueError(
            f"{name}: expected precision binary and no overrides, got {precision} and {overrides}"
        )
    return ReleasedBiMLP(**RELEASED[name], num_classes=num_classes)


def _mindcv(name, num_classes, precision, overrides):
    """A model of MindCV. The library is loaded here, since only teachers need it."""
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
