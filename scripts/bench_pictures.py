"""Pictures of a data set as one array, for the benchmarks that choose among them.

Knows: which data sets lie in memory as they are. Does not know what is chosen, nor trained.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import Split
from kerascnn.dataset.pictures import ArrayPictures


def array_of(split: Split, source: str | Path) -> npt.NDArray[np.uint8]:
    """Give the pictures of a split, uint8 [n, height, width] or [n, height, width, 3].

    Args:
        split: Of the data set.
        source: What the data set was read from, for the message.

    Raises:
        SystemExit: The pictures are files, of any size.
    """
    if isinstance(split.pictures, ArrayPictures):
        return np.asarray(split.pictures.array)
    sys.exit(f"{source}: pictures in files. Expected arrays: IDX files, .npz, or a built-in name.")
