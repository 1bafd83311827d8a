"""Weights for which rounding decides nothing, so that two implementations of a binary network can be compared.

A binary network is not continuous: of millions of values some lie within rounding of a sign's step, two
correct implementations disagree there, and the next layers carry the difference on until the logits have
nothing in common. `settle` moves the shifts (RSign's bias, RPReLU's first) so that for one batch no value lies
close to a step of the function or of its gradient: 0 and the ends -1 and 1 of the window for RSign, 0 for RPReLU. Signs
without a shift of their own are settled by the bias of the norm before.
"""

import torch
from torch_layers import RPReLU, RSign
from torch_resnet import PolynomialRSign

CANDIDATES = 1025  # shifts tried per channel
REACH = 0.25  # of the channel's standard deviation, to both sides, and
LEAST_REACH = 0.02  # this much: pooled channels hardly vary


def clear_shift(x, points, base):
    """Of the shifts around base, per channel, the one that leaves the widest gap around the points.

    x (B, C, H, W), base (C,) -> shifts (C,) and the gaps (C,), the smallest |x + shift - point|.
    """
    values = x.transpose(0, 1).flatten(1).sort(1).values.contiguous()  # (C, N)
    shifts = base + torch.linspace(-1, 1, CANDIDATES).view(-1, 1) * (REACH * values.std(1) + LEAST_REACH)
    gaps = torch.full_like(shifts, torch.inf).T.contiguous()  # (C, candidates)
    for point in points:
        wanted = (point - shifts).T.contiguous()
        above = torch.searchsorted(values, wanted)
        for index in (above - 1, above):
            nearest = values.gather(1, index.clamp(0, values.shape[1] - 1))
            gaps = gaps.minimum((nearest - wanted).abs())
    gaps, best = gaps.max(1)
    return shifts.gather(0, best.view(1, -1))[0], gaps


@torch.no_grad()
def settle(network, images):
    """Move the shifts of a network, layer after layer in one training-mode pass; returns the narrowest gap."""
    narrowest = []

    def settle_sign(module, inputs):
        median = inputs[0].transpose(0, 1).flatten(1).median(1).values  # signs of both kinds in every channel
        shift, gaps = clear_shift(inputs[0], (-1.0, 0.0, 1.0), -median)
        module.bias.copy_(shift)
        narrowest.append(gaps.min().item())

    def settle_kink(module, inputs):
        shift, gaps = clear_shift(inputs[0], (0.0,), module.shift_in)
        module.shift_in.copy_(shift)
        narrowest.append(gaps.min().item())

    def settle_input(bias):
        def shift_input(module, inputs):
            shift, gaps = clear_shift(inputs[0], (0.0,), torch.zeros_like(bias))
            bias.add_(shift)
            narrowest.append(gaps.min().item())
            return (inputs[0] + shift.view(1, -1, 1, 1),)

        return shift_input

    hooks = {RSign: settle_sign, PolynomialRSign: settle_sign, RPReLU: settle_kink}
    handles = [m.register_forward_pre_hook(hooks[type(m)]) for m in network.modules() if type(m) in hooks]
    handles += [m.register_forward_pre_hook(settle_input(bias)) for m, bias in network.input_shifts()]
    network(images)
    for handle in handles:
        handle.remove()
    return min(narrowest)
