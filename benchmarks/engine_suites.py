"""Suites of the engine's tables: which networks, with which switches."""

from collections.abc import Callable
from dataclasses import dataclass

# The paper's Table 2, as far as its networks are built here, then QuickNet, BinaryDenseNet and FTBNN, then BiMLP
BINARY = (
    "birealnet18", "birealnet34", "xnornet18", "xnornet_alexnet", "reactnet_a", "reactnet_b", "reactnet_c", "react_resnet18",
    "real_to_binary18", "adabin18", "adabin34", "adabin_reactnet_a", "meliusnet22", "meliusnet29", "meliusnet42",
    "meliusnet59", "adabin_meliusnet59", "quicknet_small", "quicknet", "quicknet_large", "binary_densenet28",
    "binary_densenet37", "binary_densenet45", "ftbnn18", "ftbnn18_binary", "ftbnn18_groups", "bimlp_s", "bimlp_m",
)  # fmt: skip


@dataclass(frozen=True)
class TableSuite:
    """Networks of one table.

    full, small: names of the quantizers, the default one first, -> rows (network, overrides) as create_model takes them; the
    small ones for 32x32 images. images: so many are verified. references: networks in fp32 that other runtimes alone run.
    """

    full: Callable
    small: Callable
    images: int
    references: tuple = ()

    def rows(self, quick, quantizers):
        """Rows of the whole table, or of a quick run."""
        return tuple((self.small if quick else self.full)(quantizers))

    def names(self, quick):
        """Names of the networks and references, each once."""
        networks = (network for network, _ in self.rows(quick, ()))
        return tuple(dict.fromkeys((*networks, *(() if quick else self.references))))


def switches(quantizers):
    """Rows of BiMLP-S with each switch and quantizer, Wave-MLP and the published network."""
    overrides = ({}, {"norm": "layer"}, {"token_mixing": "cycle_fc"})
    others = tuple({"quantizer": name} for name in quantizers[1:])
    bimlp = tuple(("bimlp_s", each) for each in (*overrides, *others))
    return (("wave_mlp_t", {}), *bimlp, ("released_bimlp_s", {}))


def as_they_are(*names):
    """Function quantizers -> rows of networks without switches."""
    return lambda quantizers: tuple((name, {}) for name in names)


SUITES = {
    "switches": TableSuite(
        switches, lambda quantizers: (("wave_mlp_nano", {}), ("bimlp_t", {"quantizer": "dorefa"})), 8
    ),
    "networks": TableSuite(
        as_they_are(*BINARY), as_they_are("birealnet20", "quicknet_nano"), 2, ("resnet18", "mobilenet_v2_100")
    ),
}
