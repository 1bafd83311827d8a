"""Networks: one file each. The registry collects the VARIANTS of every file."""
