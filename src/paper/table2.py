"""Table 2 of the paper, binary networks on ImageNet, as data.

The printed costs follow several rules. Ours follow one: multiply-accumulates of all convolutions and FCs, the stem and the
last FC included, no biases, nothing element-wise. A row's notes say which rule gives the printed number.
"""

from .rows import UNITS, Row, Table, model_settings


def _binary(name, network, top1, top5=None, costs=(None, None, None), settings=None, **notes):
    """Row of Table 2. costs: the printed FLOPs, BOPs and OPs."""
    printed = {**dict(zip(UNITS, costs)), "top1": top1, "top5": top5}
    printed = {key: value for key, value in printed.items() if value is not None}
    return Row(name, network, settings=model_settings(**settings or {}), printed=printed, notes=notes)


_WITHOUT_FC = "without the last FC it is"
_BIASES = "the paper counts biases in its own networks:"
_SLIP = "a slip of the print:"

TABLE_2 = Table(
    "Binary networks on ImageNet-1k",
    (
        _binary(
            "XNOR-Net", "xnornet18", 51.2, 73.2, (1.41, 1.70, 1.67),
            flops="1x1 shortcuts in full precision and XNOR-Net's scaling give 1.4098, the BOPs need binary ones",
            ops="as the FLOPs, 1.6717",
        ),
        _binary("Dorefa-Net", "birealnet18", 52.5, 67.7, settings={"quantizer": "dorefa"}),
        _binary("ABCNet", "birealnet18", 42.7, 67.6, settings={"quantizer": "abc"}),
        _binary(
            "Bireal-Net-18", "birealnet18", 56.4, 79.5, (1.39, 1.68, 1.63),
            flops="a bias of each full-precision layer gives 1.3877",
            ops=f"{_WITHOUT_FC} 1.6347; the printed FLOPs and BOPs give 1.65",
        ),
        _binary(
            "Bireal-Net-34", "birealnet34", 62.2, 83.9, (1.39, 3.53, 1.93),
            flops="a bias of each full-precision layer gives 1.3877, but not the printed OPs",
        ),
        _binary("UAD-BNN-18", "birealnet18", 57.2, 80.2, settings={"quantizer": "uad", "activation": "prelu"}),
        _binary("UAD-BNN-34", "birealnet34", 62.8, 84.5, settings={"quantizer": "uad", "activation": "prelu"}),
        _binary("RBNN-18", "birealnet18", 59.9, 81.9, settings={"quantizer": "rbnn"}),
        _binary("RBNN-34", "birealnet34", 63.1, 84.4, settings={"quantizer": "rbnn"}),
        _binary(
            "Real2bin", "real_to_binary18", 65.4, 86.2, (1.56, 1.68, 1.83),
            flops="its authors count element-wise work as well, 1.5638",
            ops="as the FLOPs, 1.8257",
        ),
        _binary("ReCU", "birealnet18", 66.4, 86.5, settings={"quantizer": "recu"}),
        _binary("FDA-BNN", "birealnet18", 66.0, 86.4, settings={"quantizer": "fda"}),
        _binary("LCR-BNN-18", "birealnet18", 59.6, 81.6, settings={"quantizer": "lcr"}),
        _binary("LCR-BNN-34", "birealnet34", 63.5, 84.6, settings={"quantizer": "lcr"}),
        _binary("LCR-BNN-ReAct", "reactnet_a", 69.8, 85.7, settings={"quantizer": "lcr"}),
        _binary("Bi-half-18", "birealnet18", 60.4, 82.9, settings={"quantizer": "bihalf"}),
        _binary("Bi-half-34", "birealnet34", 64.2, 85.4, settings={"quantizer": "bihalf"}),
        _binary(
            "AdaBin-18", "adabin18", 66.4, 86.5, (1.41, 1.69, 1.67),
            flops="two operations per output of a binary layer give 1.4080",
            ops="as the FLOPs, 1.6720",
        ),
        _binary(
            "AdaBin-ReAct", "adabin_reactnet_a", 70.4, None, (None, None, 0.88),
            ops="0.88 comes only from FLOPs that are rounded to 0.12 before",
        ),
        _binary(
            "AdaBin-Melius59", "adabin_meliusnet59", 71.6, None, (None, None, 5.27), ops="no rule that was tried gives 5.27"
        ),
        _binary(
            "MeliusNet-22", "meliusnet22", 63.6, 84.7, (1.35, 4.62, 2.08),
            flops=f"{_WITHOUT_FC} 1.3588, and cut, not rounded",
            ops=f"{_WITHOUT_FC} 2.0813",
        ),
        _binary(
            "MeliusNet-29", "meliusnet29", 65.8, 86.2, (1.29, 5.47, 2.14), ops=f"{_WITHOUT_FC} 2.1431"
        ),
        _binary(
            "MeliusNet-42", "meliusnet42", 69.2, 88.3, (1.74, 9.69, 3.25),
            flops=f"{_WITHOUT_FC} 1.7401",
            ops=f"{_WITHOUT_FC} 3.2546",
        ),
        _binary(
            "MeliusNet-59", "meliusnet59", 71.0, 89.7, (2.45, 18.3, 5.25),
            flops=f"{_WITHOUT_FC} 2.4576, and cut, not rounded",
            bops="18.3 to one digit",
            ops=f"{_SLIP} its authors have 5.32, which is that without the last FC",
        ),
        _binary(
            "ReActNet-B", "reactnet_b", 70.1, None, (0.44, 4.69, 1.63),
            ops=f"{_SLIP} the printed FLOPs and BOPs give 1.17",
        ),
        _binary("ReActNet-C", "reactnet_c", 71.4, None, (1.40, 4.69, 2.14)),
        _binary(
            "BiMLP-S", "bimlp_s", 70.0, 89.6, (1.21, 2.25, 1.56),
            flops=f"{_BIASES} 1.2089", bops=f"{_BIASES} 2.2491", ops=f"{_BIASES} 1.5603",
        ),
        _binary(
            "BiMLP-M", "bimlp_m", 72.7, 91.1, (1.21, 4.32, 1.88),
            flops=f"{_BIASES} 1.2089", bops=f"{_BIASES} 4.3206", ops=f"{_BIASES} 1.8840",
        ),
    ),
    "One rule for all rows: multiply-accumulates of all convolutions and FCs, the first and the last included, without biases; "
    "a note says which rule gives the printed number. Rows with no printed costs are the trunk of Bi-Real Net, or ReActNet-A, "
    "with another quantizer.",
    compares=False,
    macs_alone=True,
)  # fmt: skip
