"""Description and tensors of a trained BiMLP for a packed file, and the reason that another network has none."""

import numpy as np

from src.common.errors import InputError
from src.common.files import write_atomic
from src.model import binary_layers
from src.model.layers.activations import GELU
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.gradients import sign
from src.model.layers.norms import BatchNorm
from src.model.layers.stages import ResidualBlock
from src.model.layers.token_mixing import TOKEN_MIXERS
from src.model.networks.bimlp import BiMLP, Downsample, Stem

from .modes import eager
from .packed_file import decode, encode, packed_bytes
from .packed_layout import Description


def unsupported_reason(network):
    """Reason that a packed file cannot hold a network, in words, or None where it can."""
    if not isinstance(network, BiMLP):
        return f"expected a BiMLP, got {type(network).__name__}"
    cells = [cell for _, cell in network.cells_and_names()]
    binary = [layer for _, layer in binary_layers(network)]
    blocks = [cell for cell in cells if isinstance(cell, ResidualBlock)]
    spatial = [cell for block in blocks for cell in (*block.block1.height, *block.block1.width)]
    conditions = {
        "precision binary": all(cell.scaled for cell in binary),
        "norm batch": isinstance(network.norm, BatchNorm),
        "activation rprelu, prelu or relu": not isinstance(network.stem.act, GELU),
        "shortcut uni": all(cell.has_shortcut for cell in cells if isinstance(cell, ShortcutConv)),
        "downsample proposed": all(type(cell) is Downsample for cell in network.downsamples),
        "token_mixing patm": all(type(cell) is TOKEN_MIXERS["patm"] for cell in spatial),
        "a quantizer whose activations are -1 and +1": all(
            cell.rsign.function is sign for cell in binary if cell.binary_activation
        ),
    }
    failed = [condition for condition, holds in conditions.items() if not holds]
    return f"expected a BiMLP with {', '.join(failed)}" if failed else None


def describe(network, **fields):
    """The Description of a network that can be packed; fields: those that the network does not know."""
    conv, stages, first = network.stem.conv, network.stages, network.stages[0][0]
    spatial = [len(block.height) + len(block.width) for block in (first.block1, first.block2)]
    return Description(
        stem=(conv.kernel[0], conv.stride, conv.padding[0]),
        widths=tuple(stage[0].norm1.gamma.size for stage in stages),
        depths=tuple(len(stage) for stage in stages),
        branches=(spatial[0], len(first.block1.channel), spatial[1], len(first.block2.channel)),
        classes=network.head.weight.shape[0],
        **fields,
    )


def packed_size(network, variant, class_names=()):
    """The bytes of the packed file of a network that has one."""
    rest = {
        "image_size": 1,
        "resize": 1,
        "mean": (0.0,) * 3,
        "std": (1.0,) * 3,
    }  # of the same size whatever they are
    return packed_bytes(describe(network, variant=variant, class_names=class_names, **rest))


def write_packed(network, path, **fields):
    """Write a network, in evaluation and with any backend, to a packed file, read it back and compare.

    Args:
        fields: of the Description, those that `describe` does not take from the network.

    Returns:
        The Description and the number of bytes.

    Raises:
        InputError: a network that the format cannot hold, numbers that are not finite in 32 bits, class names that
            cannot be told apart in the file, a file that cannot be written.
    """
    reason = unsupported_reason(network)
    if reason:
        raise InputError(f"file_format PACKED: {reason}")
    description = describe(network, **fields)
    tensors = tensors_of(network)
    try:
        data = encode(description, tensors)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    read, same = decode(data, path)
    if read != description or not all(_equal(tensors[name], same[name]) for name in tensors):
        raise InputError(f"{path}: the file's content, read back, differs from the network")
    write_atomic(path, data)
    return description, len(data)


def _equal(written, read):
    return np.array_equal(np.asarray(written, read.dtype), read)


def tensors_of(network):
    """name -> array, as `encode` takes them: every Entry of the layout, the norms folded in double precision."""
    tensors = {}

    def add(name, parts):
        tensors.update({f"{name}.{part}": array for part, array in parts.items()})

    with eager():
        for name, cell in network.cells_and_names():
            if isinstance(cell, ShortcutConv):
                add(name, _binary(cell))
            elif isinstance(cell, Stem):
                add(name, _full(cell.conv, cell))
            elif isinstance(cell, Downsample):
                add(name, _full(cell.fc, cell))
            elif isinstance(cell, ResidualBlock):
                add(f"{name}.norm1", _norm(cell.norm1))
                add(f"{name}.norm2", _norm(cell.norm2))
                several = cell.block2.branches > 1
                tensors[f"{name}.block2.merge"] = _numbers(cell.block2.merge) if several else np.empty(0)
        add("norm", _norm(network.norm))
        add("head", {"weight": _numbers(network.head.weight), "bias": _numbers(network.head.bias)})
    return tensors


def _numbers(tensor):
    return tensor.asnumpy().astype(np.float64)


def _norm(norm, scale=1.0, bias=0.0, shift_in=0.0):
    """gamma (scale s + bias - mean) / sqrt(variance + eps) + beta + shift_in as factor s + offset."""
    gamma, beta, mean, variance = map(
        _numbers, (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    factor = gamma / np.sqrt(variance + norm.eps)
    return {"factor": factor * scale, "offset": beta + factor * (bias - mean) + shift_in}


def _affine(norm, act, **folded):
    shift_in, slope, shift_out = map(_numbers, (act.shift_in, act.slope, act.shift_out))
    return {**_norm(norm, shift_in=shift_in, **folded), "slope": slope, "shift_out": shift_out}


def _full(conv, cell):
    weight = _numbers(conv.weight).transpose(0, 2, 3, 1)
    return {
        "weight": weight.reshape(len(weight), -1),
        **_affine(cell.norm, cell.act, bias=_numbers(conv.bias)),
    }


def _binary(cell):
    layer = cell.fc
    positive = layer.weight_quantizer(layer.weight).asnumpy() > 0
    rows = positive.reshape(len(positive), -1)
    local = max(positive.shape[2:]) > 1
    return {
        "shift": _numbers(layer.rsign.bias),
        "weight": rows.T if local else rows,
        **_affine(cell.norm, cell.act, scale=_numbers(layer.scale())),
    }
