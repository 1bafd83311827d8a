"""Quantizers by name: QUANTIZERS, one class and one row each (base.py says what a quantizer is)."""

from .abc import ABCNet
from .adabin import AdaBin
from .base import SignSTE, weight_scale
from .bihalf import BiHalf
from .fda import FDABNN
from .functions import DSQ, UAD, BiMLPQuantizer, BiReal, BNNPlus, DoReFa, ReActNet, XNORNet
from .irnet import LCR, IRNet
from .rbnn import RBNN, RBNNReference
from .recu import ReCU
from .wide import MeliusNetQuantizer, QuickNetQuantizer

__all__ = ["CHOICES", "QUANTIZERS", "gradient_name", "threshold_of", "weight_scale"]

QUANTIZERS = {
    "bimlp": BiMLPQuantizer,
    "sign": SignSTE,
    "xnor": XNORNet,
    "dorefa": DoReFa,
    "reactnet": ReActNet,
    "dsq": DSQ,
    "bnn_plus": BNNPlus,
    "bireal": BiReal,
    "abc": ABCNet,
    "uad": UAD,
    "rbnn": RBNN,
    "rbnn_reference": RBNNReference,
    "recu": ReCU,
    "fda": FDABNN,
    "irnet": IRNet,
    "lcr": LCR,
    "bihalf": BiHalf,
    "adabin": AdaBin,
    "meliusnet": MeliusNetQuantizer,
    "quicknet": QuickNetQuantizer,
}


CHOICES = ("auto", "ste", "approx_sign", "clip_grad")  # of model.activation_gradient


def gradient_name(quantizer, name):
    """Key in GRADIENTS of the activations' ste. quantizer: key of QUANTIZERS; name: one of CHOICES, "auto" for the
    quantizer's activation_ste.

    Raises ValueError for a name that is not in CHOICES, and for any but "auto" where the quantizer's ste is fixed.
    """
    if name not in CHOICES:
        raise ValueError(f"activation_gradient: expected one of {', '.join(CHOICES)}, got {name!r}")
    method = QUANTIZERS[quantizer]
    if name == "auto":
        return method.activation_ste
    if method.fixed_ste:
        raise ValueError(
            f"activation_gradient: expected auto with quantizer {quantizer}, whose gradient is fixed, got {name!r}"
        )
    return name


def threshold_of(quantizer, value):
    """Threshold t of the activations' sign(x - t). quantizer: key of QUANTIZERS; value: a number, "auto" for the quantizer's own.

    Raises ValueError for a number with another quantizer than uad, and for any other value.
    """
    own = QUANTIZERS[quantizer].threshold
    if value == "auto":
        return own
    if quantizer != "uad" or not isinstance(value, int | float):
        expected = "a number or auto" if quantizer == "uad" else f"auto with quantizer {quantizer}"
        raise ValueError(f"activation_threshold: expected {expected}, got {value!r}")
    return float(value)
