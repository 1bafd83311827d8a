"""Variant: one named network of a file in networks/, with its defaults."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

PRECISIONS = ("fp32", "binary_act", "binary")
LAYER_OPTIONS = (
    "quantizer",
    "activation_gradient",
    "norm",
    "activation",
    "shortcut",
    "backend",
    "compute_type",
    "sync_bn",
    "activation_threshold",
)  # arguments of layer_config besides the precision


@dataclass(frozen=True)
class Variant:
    """Network by its Cell and its defaults.

    cell: (num_classes, options, config) -> network, config a LayerConfig; with options None, (num_classes) -> network.
    options: the network's own options, a frozen dataclass, whose fields create_model overrides; None for a network that
        only evaluates published weights.
    precision: default precision. precisions: those that the network can have.
    layers: defaults of LAYER_OPTIONS, by name. fixed_layers: names of LAYER_OPTIONS that the network does not have.
    image_size: side, in pixels, of the images that the network is designed for.
    """

    cell: Callable
    options: object = None
    precision: str = "binary"
    precisions: tuple = PRECISIONS
    layers: dict = field(default_factory=dict)
    fixed_layers: tuple = ()
    image_size: int = 224

    def with_options(self, values):
        """Options with some values replaced, by name. Raises ValueError for a value of another type than the default's."""
        return replace(
            self.options,
            **{name: _as_default(name, getattr(self.options, name), values[name]) for name in values},
        )

    @property
    def overrides(self):
        """Names of create_model's overrides."""
        if self.options is None:
            return ()
        return (
            *self.options.__dataclass_fields__,
            *(n for n in LAYER_OPTIONS if n not in self.fixed_layers),
        )


def _as_default(name, default, value):
    """`value` in the type of `default`: a list does for a tuple, an int for a float. Elements have the type of the first."""
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return tuple(_as_default(name, default[0], each) for each in value)
    if type(default) is float and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"{name}: expected {type(default).__name__}, got {value!r}")
    return value


def check(argument, name, known):
    """Raises ValueError, naming the argument, unless `name` is in `known`."""
    if name not in known:
        raise ValueError(f"{argument}: expected one of {', '.join(known)}, got {name!r}")
