"""Loading of a Keras file from elsewhere as a classifier of pictures.

Knows: the shapes that such a classifier may have. Does not know: the contents of an architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.foreign import OTHER_CHANNELS, ForeignModel, size_missing
from kerascnn.inference.model_file.kinds import is_own, kind_of_model
from kerascnn.resizing import Shape
from kerascnn.training.foreign.container import SUFFIXES
from kerascnn.training.foreign.inspected import load_inspected

_NOT_LOADED = ("saved_model", "json", "tflite", "lfs")
"""Other kinds of Keras models that users have; the error says what to do with them."""


@dataclass(frozen=True)
class LoadedModel:
    """A model from elsewhere.

    Attributes:
        shape: Height and width of the input, in pixels.
        channels: 3, or 1 for grayscale.
        has_channels: Whether its input has a channel axis.
        written_by: Version of Keras that wrote the file, e.g. ``keras 2.15.0``.
    """

    model: keras.Model
    shape: Shape
    channels: int
    has_channels: bool
    written_by: str

    def on_pictures(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        """Call the model on float32 ``[batch, height, width, channels]``."""
        if not self.has_channels:
            tensor = keras.layers.Reshape(self.shape, name="drop_channel")(tensor)
        output: keras.KerasTensor = self.model(tensor, training=False)
        return output


def is_keras_file(path: str | Path) -> bool:
    """Return whether a path looks like a Keras model that was made elsewhere."""
    path = Path(path)
    elsewhere = path.suffix.lower() in SUFFIXES or kind_of_model(path) in _NOT_LOADED
    return elsewhere and not is_own(path)


def load_foreign(path: str | Path, foreign: ForeignModel) -> LoadedModel:
    """Load a ``.keras`` or ``.h5`` classifier made elsewhere. No code of the file is run.

    Returns:
        The model, computing in float32.

    Raises:
        ModelFileError: It contains code or custom objects, Keras cannot load it, or it is no
            classifier of single pictures.
        ConfigError: The image size is missing, or differs from the model's.
    """
    path = Path(path)
    model, version = load_inspected(path)
    model = _single(model, path, foreign)
    shape, channels, has_channels = _shape(model, path, foreign)
    return LoadedModel(model, shape, channels, has_channels, f"keras {version}")


def _single(model: keras.Model, path: Path, foreign: ForeignModel) -> keras.Model:
    """Return the model with a single input and output tensor, even if they were in lists."""
    _build(model, path, foreign.shape)
    names = getattr(model, "output_names", ("output",))  # a Sequential has no output names
    outputs = dict(zip(names, model.outputs, strict=True))
    if foreign.output is not None and foreign.output not in outputs:
        raise ConfigError(
            f"{path}: has no output {foreign.output!r}. It has: {', '.join(outputs)}."
        )
    named = [foreign.output] if foreign.output is not None else list(outputs)
    if len(named) > 1:
        classes = len(foreign.classes)
        named = [name for name in named if outputs[name].shape[-1] == classes] or named
    if len(model.inputs) != 1 or len(named) != 1:
        raise ModelFileError(
            f"{path}: has {len(model.inputs)} inputs and {len(outputs)} outputs "
            f"({', '.join(outputs)}); expected a classifier with one picture in and one list of "
            "numbers out. Of several outputs, name the one with the predictions: `output` NAME."
        )
    return keras.Model(model.inputs[0], outputs[named[0]], name=model.name)


def _build(model: keras.Model, path: Path, shape: Shape | None) -> None:
    """Give a model its input where its file has none, as that of a Sequential may."""
    if model.built and getattr(model, "inputs", None):
        return
    if shape is None:
        raise ConfigError(
            f"{path}: does not state the size of its input. Give `image_size` PIXELS."
        )
    model.build((None, *shape, 3))


def _shape(model: keras.Model, path: Path, foreign: ForeignModel) -> tuple[Shape, int, bool]:
    shape = tuple(model.inputs[0].shape)
    has_channels = len(shape) == 4
    channels = 1 if len(shape) == 3 else shape[-1] if has_channels else 0
    if channels not in (1, 3):
        raise ModelFileError(
            f"{path}: takes {list(shape)}; expected pictures, [batch, height, width, channels] "
            f"with 3 or 1 channels, or [batch, height, width]. {OTHER_CHANNELS}"
        )
    sides, said = shape[1:3], foreign.shape
    if None in sides and said is None:
        raise size_missing(path)
    size = tuple(side or wish for side, wish in zip(sides, said or sides, strict=True))
    if said not in (None, size):
        raise ConfigError(
            f"{path}: takes {size[0]} x {size[1]} pixels, but `image_size` is {said[0]} x "
            f"{said[1]}. Leave it out."
        )
    return (size[0], size[1]), channels, has_channels
