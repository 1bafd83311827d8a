"""The PyTorch networks by name."""

import torch_bimlp
import torch_resnet


def create(name, num_classes, precision):
    """Network of the cases' name. Raises ValueError for an unknown one."""
    for module, network in ((torch_bimlp, torch_bimlp.BiMLP), (torch_resnet, torch_resnet.ResNet)):
        if name in module.VARIANTS:
            return network(name, num_classes, precision)
    raise ValueError(
        f"model: expected one of {[*torch_bimlp.VARIANTS, *torch_resnet.VARIANTS]}, got {name!r}"
    )
