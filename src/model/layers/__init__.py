"""Layers: the Cells that networks are made of. How they are computed is the backend's business."""
