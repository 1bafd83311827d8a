#!/usr/bin/env python
"""Save one handwritten seven of scikit-learn's data set as a picture, to have one to predict."""

import sys

from PIL import Image
from sklearn.datasets import load_digits

digits = load_digits()
seven = digits.images[digits.target == 7][0]
Image.fromarray((seven * 15.9375).astype("uint8")).save(sys.argv[1])
