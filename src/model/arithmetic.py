"""How a network computes: its precision and the form of its operations, one value handed to every Cell."""

from dataclasses import dataclass

from mindspore import dtype as mstype

from .binarize import ACTIVATION_GRADIENTS
from .forms import Form, choose_form

PRECISIONS = ("fp32", "binary_act", "binary")
COMPUTE_TYPES = {"float32": mstype.float32, "float16": mstype.float16, "bfloat16": mstype.bfloat16}


@dataclass(frozen=True)
class Arithmetic:
    """binary_act: sign of the activations (step 1); binary_weight: sign and scale of the weights (step 2).

    gradient: key of ACTIVATION_GRADIENTS; form: row of FORMS; compute_type: type of the operands of
    convolutions, cast after binarization so that it never decides a sign.
    """

    binary_act: bool
    binary_weight: bool
    gradient: str
    form: Form
    compute_type: mstype.Type

    @property
    def precision(self):
        """The name in PRECISIONS."""
        return PRECISIONS[int(self.binary_act) + int(self.binary_weight)]

    @property
    def axis(self):
        """The maps' channel axis."""
        return self.form.axis


def make_arithmetic(precision="binary", activation_gradient="window", form="auto", compute_type="float32"):
    """The Arithmetic of these names. Raises ValueError for an unknown one."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    if activation_gradient not in ACTIVATION_GRADIENTS:
        allowed = ", ".join(ACTIVATION_GRADIENTS)
        raise ValueError(f"activation_gradient: expected one of {allowed}, got {activation_gradient!r}")
    if compute_type not in COMPUTE_TYPES:
        allowed = ", ".join(COMPUTE_TYPES)
        raise ValueError(f"compute_type: expected one of {allowed}, got {compute_type!r}")
    return Arithmetic(
        binary_act=precision != "fp32",
        binary_weight=precision == "binary",
        gradient=activation_gradient,
        form=choose_form(form, compute_type),
        compute_type=COMPUTE_TYPES[compute_type],
    )
