"""Models of MindCV, for teachers. The library is imported on use, because only teachers need it."""


def is_model(name):
    """Whether MindCV has a model of that name."""
    import mindcv

    return mindcv.is_model(name)


def names():
    """Names of MindCV's models."""
    import mindcv

    return tuple(mindcv.list_models())


def create(name, num_classes, precision, overrides):
    """Model of MindCV: images (B, 3, H, W) -> logits (B, num_classes). overrides: arguments of its constructor.

    Raises ValueError for a precision other than fp32.
    """
    import mindcv

    if precision != "fp32":
        raise ValueError(f"{name}: expected precision fp32 for a model of MindCV, got {precision}")
    return mindcv.create_model(name, num_classes=num_classes, **overrides)
