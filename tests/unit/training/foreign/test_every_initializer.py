"""Every initializer, regularizer and constraint that Keras has, in a file made elsewhere.

They are of no use after training, and stand in its architecture all the same.
"""

import inspect
from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import constraints, initializers, layers, regularizers

from kerascnn.training.foreign.inspected import load_inspected

pytestmark = pytest.mark.filterwarnings("ignore")

CONSTANTS = (0.1, [0.5, 0.25, -1.0], np.float32([1, 2, 3]))
WITH_TWO_AXES = ("Orthogonal", "Identity")
OF_WINDOWS = "STFT"


def classes(module) -> Iterator[type]:
    """Yield what a module has, each once."""
    found = {
        one for name, one in vars(module).items() if inspect.isclass(one) and name[0].isupper()
    }
    bases = (initializers.Initializer, regularizers.Regularizer, constraints.Constraint)
    yield from sorted(found - {*bases}, key=lambda one: one.__name__)


def initialized() -> Iterator[layers.Layer]:
    for kind in classes(initializers):
        if kind.__name__.startswith(WITH_TWO_AXES):
            yield layers.Dense(3, kernel_initializer=kind())
        elif kind is initializers.Constant:
            yield from (layers.Conv2D(3, 1, bias_initializer=kind(value)) for value in CONSTANTS)
        elif kind.__name__ != OF_WINDOWS:
            yield layers.Conv2D(3, 1, bias_initializer=kind())


def regularized() -> Iterator[layers.Layer]:
    for kind in classes(regularizers):
        yield layers.Dense(3, kernel_regularizer=kind())


def constrained() -> Iterator[layers.Layer]:
    for kind in classes(constraints):
        yield layers.Dense(3, bias_constraint=kind())


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("made", "least"), [(initialized, 15), (regularized, 4), (constrained, 4)])
def test_all_of_a_kind(made, least: int, suffix: str, tmp_path) -> None:
    chain = [*made()]
    assert len(chain) >= least
    model = keras.Sequential([keras.Input((3, 3, 3)), *chain, layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / f"m{suffix}")
    loaded = load_inspected(tmp_path / f"m{suffix}")[0]
    for one, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, other)
