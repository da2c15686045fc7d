"""Data sets: pictures, labels, the order of classes, and splits.

Knows: folders of class folders, IDX, CSV and .npz files, the built-in data set, stratified
splits, and resizing many pictures at once. Does not know Keras, or what the pictures are used for.
"""

from kerascnn.dataset.load import BUILTIN, check_data_exists, load_dataset
from kerascnn.dataset.pictures import ArrayPictures, FilePictures, Pictures, sized_pictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.dataset.validation import with_validation

__all__ = [
    "BUILTIN",
    "ArrayPictures",
    "Dataset",
    "FilePictures",
    "Pictures",
    "Split",
    "check_data_exists",
    "load_dataset",
    "sized_pictures",
    "with_validation",
]
