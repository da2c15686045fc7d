r"""Convolution in numpy, for teaching.

Knows: sliding a filter over a picture and pooling (``sliding``), the arithmetic of sizes
(``sizes``), the classic kernels (``kernels``). Does not know files, networks or training.
All examples here can be run in Python.

A filter is placed at the top left of a picture. Every number of the filter is multiplied by the
number under it, and the products are summed, which gives the first value of the *feature map*.
Then the filter moves ``stride`` columns to the right, and so on to the bottom right. (In
mathematics this is called cross-correlation; neural networks call it convolution, as here.)

The course's example, detecting a diagonal in a picture of 6 x 6:

>>> import numpy as np
>>> rows = "100001 010010 001100 100010 010010 001010".split()
>>> picture = np.array([[int(digit) for digit in row] for row in rows])
>>> diagonal = np.identity(3, int)
>>> convolve(picture, diagonal)
array([[3, 1, 0, 1],
       [0, 2, 2, 0],
       [0, 0, 2, 2],
       [3, 0, 1, 1]])

At the top left the diagonal matches completely, which gives 3; one step to the right only one of
its three ones is on a one. (The course prints another 4 x 4 map here, which does not follow
from its own filter.) Zeros around the picture keep its size:

>>> convolve(picture, diagonal, padding="same").shape
(6, 6)

Pooling keeps one number of each square, the maximum or the mean:

>>> numbers = np.array([[3, -1, 12, -1], [-3, 1, 0, 1], [2, -3, 0, 1], [3, -2, 4, -1]])
>>> pool(numbers, 2)
array([[ 3, 12],
       [ 3,  4]])
>>> pool(numbers, 2, kind="average")
array([[0., 3.],
       [0., 1.]])

The sizes in the course's baseline CNN, from 32 pixels to 7: a 5 x 5 filter, 2 x 2 pooling, a 5 x 5
filter with a padding of 2, 2 x 2 pooling:

>>> output_size(32, 5), output_size(28, 2, stride=2), output_size(14, 5, padding=2)
(28, 14, 14)
>>> output_size(14, 2, stride=2)
7
"""

from kerascnn.convolution.kernels import KERNELS, parse_kernel
from kerascnn.convolution.sizes import Array, Padding, output_size, padded
from kerascnn.convolution.sliding import Pooling, convolve, filter_picture, pool

__all__ = [
    "KERNELS",
    "Array",
    "Padding",
    "Pooling",
    "convolve",
    "filter_picture",
    "output_size",
    "padded",
    "parse_kernel",
    "pool",
]
