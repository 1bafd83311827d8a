"""Settings whose value "auto" stands for a network's own, by name: older saved runs have the name."""

from src.settings.config import to_flat


def with_quantizer(config, stage, own_quantizer):
    """Flat settings in which model.quantizer is a name: for "auto" that of the network of a stage.

    own_quantizer: name of a network -> name of its quantizer.
    """
    values = to_flat(config)
    if values["model.quantizer"] == "auto":
        network = values.get(f"stages.{stage}.model") or values["model.name"]
        values["model.quantizer"] = own_quantizer(network)
    return values
