"""Registry: the variants of every file in networks/, and their constructor, create_model."""

import difflib
import importlib
import pkgutil
from functools import cache

from . import networks
from .config import layer_config
from .layers.quantizers import QUANTIZERS
from .networks import mindcv
from .variant import PRECISIONS, check

AUTO = "auto"  # value of an override: the network's default
DEFAULT_QUANTIZER = "bimlp"


@cache
def variants():
    """Dict of the VARIANTS of all files in networks/, name -> Variant, files in alphabetical order.

    Raises ValueError for a name that two files have.
    """
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(networks.__path__)):
        table = getattr(importlib.import_module(f"{networks.__name__}.{module}"), "VARIANTS", {})
        twice = found.keys() & table.keys()
        if twice:
            raise ValueError(f"networks/{module}.py: expected new names of variants, got {sorted(twice)}")
        found.update(table)
    return found


def model_names():
    """Names of this project's networks."""
    return tuple(variants())


def accepted_overrides(name):
    """Names of create_model's overrides for one of this project's networks; () for others."""
    return variants()[name].overrides if name in variants() else ()


def image_size_of(name):
    """Side, in pixels, of the images that a network of this project is designed for; 224 for others."""
    return variants()[name].image_size if name in variants() else 224


def default_precision(name):
    """Default precision of a network: that of its Variant, "fp32" for a model of MindCV."""
    return variants()[name].precision if name in variants() else "fp32"


def own_quantizer(name):
    """Quantizer that a network has where none is chosen: that of its Variant's layers, else "bimlp"."""
    return (
        variants()[name].layers.get("quantizer", DEFAULT_QUANTIZER)
        if name in variants()
        else DEFAULT_QUANTIZER
    )


def create_model(name, num_classes=1000, precision="binary", **overrides):
    """Network by name: images (B, 3, H, W) -> logits (B, num_classes).

    Args:
        name: one of model_names(), or a model of MindCV (fp32 only).
        precision: "fp32", "binary_act" (step 1: binary activations) or "binary" (step 2: binary weights as well).
        overrides: arguments of a MindCV model, as pretrained=True, or of this project's networks: the fields of the
            network's options (as BiMLPOptions in networks/bimlp.py), and those of the layers:
            quantizer: "auto" (the network's), or one of QUANTIZERS.
            activation_gradient: "auto" (the quantizer's), "ste", "approx_sign", "clip_grad".
            norm: "auto" (the network's), "batch", "layer".
            activation: "auto", "rprelu", "prelu", "relu", "gelu", "hardtanh", "two_slope", "none". "auto" is that of the
                quantizer in a binary network, if the quantizer includes one; else the network's own.
            shortcut: "uni", "same_shape", "none"; of networks with shortcuts around their layers.
            backend: "auto", "plain", "fast", "fused".
            compute_type: "float32", "float16", "bfloat16".
            activation_threshold: "auto", or t of sign(x - t) with quantizer "uad".
            sync_bn: whether BatchNorm's statistics are over all workers of the job.

    Raises:
        ValueError: an unknown name, precision or override. The message names the nearest known ones, or all.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes}")
    if name not in variants():
        if not mindcv.is_model(name):
            raise ValueError(_unknown("model", name, (*model_names(), *mindcv.names())))
        return mindcv.create(name, num_classes, precision, overrides)
    variant = variants()[name]
    for key in overrides:
        if key not in variant.overrides:
            raise ValueError(_unknown(f"override of {name}", key, variant.overrides))
    check("precision", precision, PRECISIONS)
    if precision not in variant.precisions:
        raise ValueError(f"{name}: expected precision {' or '.join(variant.precisions)}, got {precision}")
    if variant.options is None:
        return variant.cell(num_classes)
    own = variant.options.__dataclass_fields__
    options = variant.with_options({key: value for key, value in overrides.items() if key in own})
    layers = {key: value for key, value in overrides.items() if key not in own and value != AUTO}
    config = layer_config(precision, **{**_default_layers(variant, precision, layers), **layers})
    return variant.cell(num_classes, options, config)


def _default_layers(variant, precision, layers):
    """Defaults of the layers' options. A quantizer that includes an activation function brings it along."""
    quantizer = layers.get("quantizer", variant.layers.get("quantizer", DEFAULT_QUANTIZER))
    included = getattr(QUANTIZERS.get(quantizer), "activation_function", None)
    return {**variant.layers, **({"activation": included} if included and precision != "fp32" else {})}


def _unknown(kind, name, known):
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known[:12]) or 'none'}"
    return f"unknown {kind}: {name!r}; {hint}"
