"""Data: images in, batches out. One entry for every source and both splits."""

from src.data.dataset import Dataset, create_dataset
from src.data.images import load_centred, load_rgb
from src.data.transform import Transform, transform_of

__all__ = ["Dataset", "Transform", "create_dataset", "load_centred", "load_rgb", "transform_of"]
