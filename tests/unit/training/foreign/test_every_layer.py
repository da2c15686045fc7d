"""Every layer that Keras has, in a small classifier, through the export of a file made elsewhere.

A layer is exported with equal answers, or refused in one line that names it. The default run has
one of each mend; all of them run in `scripts/test --full`.
"""

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

from kerascnn.errors import ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.training.export.foreign import export_foreign
from kerascnn.training.foreign.inspected import load_inspected

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 12


def on(layer, *, shape=None, **options):
    """Put a layer on the picture's features, [12, 12, 6], or on the same in another shape."""

    def build(x):
        x = layers.Reshape(shape)(x) if shape else x
        return getattr(layers, layer)(**options)(x)

    return build


def twice(layer, *, shape=(-1, 6), **options):
    """Put a layer on two different tensors."""

    def build(x):
        both = [x, layers.Conv2D(6, 1)(x)]
        return getattr(layers, layer)(**options)([layers.Reshape(shape)(one) for one in both])

    return build


def attention(layer, **options):
    def build(x):
        x = layers.Reshape((-1, 6))(x)
        return getattr(layers, layer)(**options)(x, x)

    return build


ROW, VOLUME = (72, 12), (4, 6, 6, 6)

CONVOLUTIONS = {
    "Conv1D": ({"groups": 3}, {"groups": 2, "padding": "causal"}, {"dilation_rate": 2},
               {"groups": 4, "strides": 2, "padding": "same"}),
    "Conv2D": ({"groups": 2}, {"groups": 6}, {"data_format": "channels_first"},
               {"groups": 3, "strides": 2, "padding": "same"}),
    "Conv3D": ({"groups": 3}, {"groups": 3, "strides": 2, "padding": "same"},
               {"data_format": "channels_first", "padding": "same"}, {"dilation_rate": (1, 2, 2)}),
    "Conv1DTranspose": ({}, {"strides": 2, "padding": "same"}, {"strides": 2, "output_padding": 1}),
    "Conv2DTranspose": ({"strides": 2}, {"strides": 2, "output_padding": 1}, {"dilation_rate": 2},
                        {"strides": 5, "kernel_size": 2, "padding": "same"}),
    "Conv3DTranspose": ({"strides": 2}, {"strides": 2, "output_padding": 1}),
    "SeparableConv1D": ({"depth_multiplier": 2}, {"strides": 2, "padding": "same"}),
    "SeparableConv2D": ({"depth_multiplier": 2, "dilation_rate": 2}, {"strides": 2}),
    "DepthwiseConv1D": ({"depth_multiplier": 2}, {"dilation_rate": 2}),
    "DepthwiseConv2D": ({"depth_multiplier": 2, "dilation_rate": 2}, {"padding": "same"},
                        {"strides": 2, "padding": "same"}),
}  # fmt: skip

PLAIN = {
    "Dense": {"units": 5}, "EinsumDense": {"equation": "abcd,cde->abe", "output_shape": (12, 5)},
    "Activation": {"activation": "tanh"}, "Identity": {},
    "Flatten": {"data_format": "channels_first"},
    "Permute": {"dims": (3, 1, 2)}, "Reshape": {"target_shape": (-1, 6)},
    "BatchNormalization": {"axis": 1}, "LayerNormalization": {"axis": (1, 2, 3)},
    "RMSNormalization": {}, "GroupNormalization": {"groups": 3, "axis": 1},
    "UnitNormalization": {"axis": (1, 2)}, "Normalization": {"mean": [1.0] * 6,
    "variance": [2.0] * 6},
    "Rescaling": {"scale": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]},
    "Discretization": {"bin_boundaries": [-0.5, 0.0, 0.5]},
    "ReLU": {"max_value": 0.5, "negative_slope": 0.2, "threshold": 0.1}, "LeakyReLU": {}, "ELU": {},
    "PReLU": {"alpha_initializer": "ones", "shared_axes": [1, 2]}, "Softmax": {"axis": (1, 2)},
    "Dropout": {"rate": 0.5}, "SpatialDropout2D": {"rate": 0.5}, "AlphaDropout": {"rate": 0.5},
    "GaussianDropout": {"rate": 0.5}, "GaussianNoise": {"stddev": 0.5},
    "ActivityRegularization": {"l1": 0.1},
    "ZeroPadding2D": {"padding": ((1, 2), (0, 3))}, "Cropping2D": {"cropping": ((1, 2), (0, 3))},
    "CenterCrop": {"height": 8, "width": 7}, "UpSampling2D": {"size": (3, 2)},
    "AveragePooling2D": {"pool_size": 3, "strides": 2, "padding": "same"},
    "MaxPooling2D": {"pool_size": 3, "strides": 2, "padding": "same"},
    "GlobalAveragePooling2D": {"keepdims": True}, "GlobalMaxPooling2D": {},
    "AdaptiveAveragePooling2D": {"output_size": (5, 7)}, "AdaptiveMaxPooling2D": {"output_size": 5},
}  # fmt: skip

RESHAPED = {
    ROW: {"AveragePooling1D": {"padding": "same", "pool_size": 3}, "MaxPooling1D": {"pool_size": 3},
          "GlobalAveragePooling1D": {}, "GlobalMaxPooling1D": {}, "UpSampling1D": {"size": 3},
          "ZeroPadding1D": {"padding": (1, 2)}, "Cropping1D": {"cropping": (1, 2)},
          "SpatialDropout1D": {"rate": 0.5}, "LSTM": {"units": 4}, "GRU": {"units": 4},
          "SimpleRNN": {"units": 4}, "AdaptiveAveragePooling1D": {"output_size": 5},
          "AdaptiveMaxPooling1D": {"output_size": 5}},
    VOLUME: {"AveragePooling3D": {"pool_size": 3, "strides": 2, "padding": "same"},
    "MaxPooling3D": {},
             "GlobalAveragePooling3D": {}, "GlobalMaxPooling3D": {}, "UpSampling3D": {"size": (1,
             2, 2)},
             "ZeroPadding3D": {"padding": 1}, "Cropping3D": {"cropping": 1},
             "SpatialDropout3D": {"rate": 0.5}, "ConvLSTM2D": {"filters": 3, "kernel_size": 3},
             "AdaptiveAveragePooling3D": {"output_size": 3},
             "AdaptiveMaxPooling3D": {"output_size": 3}},
    (4, 36, 6): {"ConvLSTM1D": {"filters": 3, "kernel_size": 3}},
    (864, 1): {"STFTSpectrogram": {"frame_length": 16, "frame_step": 8, "fft_length": 16}},
}  # fmt: skip

MERGING = {"Add": {}, "Subtract": {}, "Multiply": {}, "Average": {}, "Maximum": {}, "Minimum": {},
           "Concatenate": {"axis": 1}, "Dot": {"axes": (2, 2)}, "Attention": {},
           "AdditiveAttention": {}}  # fmt: skip

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
    "leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
    "squareplus", "tanh_shrink",
)  # fmt: skip

RANDOM = {
    "RandomFlip": (), "RandomRotation": (0.1,), "RandomZoom": (0.1,), "RandomTranslation": (0.1,
    0.1),
    "RandomContrast": (0.1,), "RandomBrightness": (0.1,), "RandomHue": (0.1,),
    "RandomSaturation": (0.1,),
    "RandomSharpness": (0.1,), "RandomPerspective": (0.1,), "RandomGaussianBlur": (0.1,),
    "RandomColorJitter": (), "RandomColorDegeneration": (0.1,), "RandomGrayscale": (0.1,),
    "RandomInvert": (0.1,), "RandomPosterization": (4,), "RandomErasing": (0.1,),
    "RandomElasticTransform": (0.1,), "AutoContrast": (), "Solarization": (), "MixUp": (),
    "CutMix": (), "AugMix": (), "RandAugment": (),
}  # fmt: skip

WRAPPED = {
    "SpectralNormalization": lambda x: layers.SpectralNormalization(layers.Conv2D(5, 3))(x),
    "a wrapped grouped convolution": lambda x: layers.SpectralNormalization(
        layers.Conv2D(6, 3, groups=2)
    )(x),
    "TimeDistributed": lambda x: layers.TimeDistributed(layers.Conv1D(4, 3, groups=2))(x),
    "Bidirectional": lambda x: layers.Bidirectional(layers.LSTM(4))(layers.Reshape(ROW)(x)),
    "RNN": lambda x: layers.RNN(layers.GRUCell(4))(layers.Reshape(ROW)(x)),
    "StackedRNNCells": lambda x: layers.RNN([layers.LSTMCell(4), layers.SimpleRNNCell(3)])(
        layers.Reshape(ROW)(x)
    ),
    "Masking": lambda x: layers.LSTM(4)(layers.Masking()(layers.Reshape(ROW)(x))),
    "Pipeline": lambda x: layers.Pipeline([layers.RandomFlip(), layers.Rescaling(0.5)])(x),
    "RepeatVector": lambda x: layers.RepeatVector(3)(layers.GlobalAveragePooling2D()(x)),
    "CategoryEncoding": lambda x: layers.CategoryEncoding(5, output_mode="one_hot")(_numbers(x)),
    "Embedding": lambda x: layers.Embedding(5, 3)(_numbers(x)),
    "MultiHeadAttention": attention("MultiHeadAttention", num_heads=2, key_dim=4),
    "GroupedQueryAttention": attention(
        "GroupQueryAttention", head_dim=4, num_query_heads=4, num_key_value_heads=2
    ),
    "log1p, expm1": lambda x: ops.log1p(ops.abs(x)) + ops.expm1(x),
}


def _numbers(x):
    return ops.cast(ops.clip(layers.GlobalMaxPooling2D()(x)[:, :1] * 4, 0, 4), "int32")


def cases():
    for name, all_options in CONVOLUTIONS.items():
        shape = ROW if "1D" in name else VOLUME if "3D" in name else None
        fixed = {} if "Depthwise" in name else {"filters": 12 if "1D" in name else 6}
        for options in all_options:
            yield (
                f"{name} {options}",
                on(name, shape=shape, **{"kernel_size": 3, **fixed, **options}),
            )
    for name, options in PLAIN.items():
        yield name, on(name, **options)
    for shape, group in RESHAPED.items():
        for name, options in group.items():
            yield name, on(name, shape=shape, **options)
    for name, options in MERGING.items():
        yield name, twice(name, **options)
    for name in ACTIVATIONS:
        yield f"activation {name}", on("Activation", activation=name)
    for name, args in RANDOM.items():
        yield name, lambda x, name=name, args=args: getattr(layers, name)(*args)(x[..., :3])
    for filter_ in ("nearest", "bilinear", "bicubic", "lanczos3", "area"):
        for options in ({}, {"antialias": True}, {"crop_to_aspect_ratio": True}):
            resizing = on("Resizing", height=9, width=7, interpolation=filter_, **options)
            yield f"Resizing {filter_} {options}", resizing
    yield "Resizing pad", on("Resizing", height=9, width=7, pad_to_aspect_ratio=True)
    yield "UpSampling2D lanczos5", on("UpSampling2D", interpolation="lanczos5")
    yield from WRAPPED.items()


CASES = dict(cases())

QUICK = (
    "Conv1D {'groups': 2, 'padding': 'causal'}", "Conv3D {'groups': 3}",
    "Conv2DTranspose {'strides': 5, 'kernel_size': 2, 'padding': 'same'}",
    "Resizing lanczos3 {'antialias': True}", "Resizing area {}", "Discretization", "GRU",
    "a wrapped grouped convolution", "log1p, expm1",
)  # fmt: skip
"""One for each mend."""


def classifier(middle):
    entry = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 64, offset=-1.5)(entry)
    x = middle(layers.Conv2D(6, 3, padding="same", activation="tanh")(x))
    x = ops.cast(x, "float32") if x.dtype != "float32" else x
    x = layers.Flatten()(x) if len(x.shape) != 2 else x
    return keras.Model(entry, layers.Dense(3)(x))


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in CASES],
)
def test_a_layer_answers_as_it_does_in_keras(
    name, tmp_path, with_weights, pictures, exported_from
) -> None:
    model = with_weights(classifier(CASES[name]))
    path = tmp_path / f"m{'.h5' if name in QUICK[:8:2] else '.keras'}"
    model.save(path)
    batch = pictures(SIZE)
    wanted = model.predict(batch.astype(np.float32), verbose=0)
    np.testing.assert_allclose(exported_from(path, 3).run(batch)[0], wanted, rtol=1e-5, atol=1e-4)


def in_a_model(x):
    first = keras.Input(x.shape[1:])
    return keras.Sequential([keras.Model(first, first[..., 0] * 3.0), layers.Flatten()])(x)


OPERATIONS = {
    "absolute": ops.absolute,
    "constant first": lambda x: 1.0 - x,
    "named as a layer": lambda x: layers.Add()([x, layers.ReLU(6.0)(x + 3.0) * (1 / 6) * x]),
    "slices": lambda x: x[..., ::-1] + x[:, :, ..., :1] * x[..., 0, None],
    "preprocess_input": lambda x: keras.applications.resnet.preprocess_input(x[..., :3]),
    "over axes": lambda x: ops.concatenate([ops.mean(x, axis=(1, 2)), x[:, 0, 0]], axis=-1),
    "in a model": in_a_model,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_in_an_h5_file_are_read(name, tmp_path, with_weights) -> None:
    """Keras writes them, and cannot read them again; some are named as layers are."""
    model = with_weights(classifier(OPERATIONS[name]))
    model.save(tmp_path / "m.h5")
    noise = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    read = load_inspected(tmp_path / "m.h5")[0]
    np.testing.assert_allclose(read(noise), model(noise), rtol=1e-5, atol=1e-5)


def quantized():
    model = classifier(on("Conv2D", filters=2, kernel_size=1))
    model.quantize("int8")
    return model


def with_lambda():
    return classifier(on("Conv2D", filters=2, kernel_size=1, activation=lambda x: x * x))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("make", "words"),
    [(quantized, "was quantized in Keras .*`precision` int8"),
     (with_lambda, "holds a lambda function, whose code is inside the file")],
)  # fmt: skip
def test_what_is_keras_own_and_not_exported_is_told(make, words, suffix, tmp_path) -> None:
    make().save(tmp_path / f"m{suffix}")
    with pytest.raises(ModelFileError, match=words):
        load_inspected(tmp_path / f"m{suffix}")


def test_a_layer_that_h5_files_call_otherwise_is_found(tmp_path) -> None:
    heads = {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}
    model = classifier(attention("GroupQueryAttention", **heads))
    model.save(tmp_path / "m.h5")
    picture = np.ones((1, *model.input_shape[1:]), "float32")
    loaded = load_inspected(tmp_path / "m.h5")[0]
    np.testing.assert_array_equal(loaded(picture), model(picture))


@pytest.mark.parametrize(
    ("middle", "words"),
    [
        (on("MelSpectrogram", shape=(864,), fft_length=32, sequence_stride=16),
         "no operator for TensorFlow's Imag .mel_spectrogram"),
        (on("RandomCrop", height=8, width=7),
         r"cannot run it on a picture of 12 x 12 pixels \(Val"),
        (on("RandomShear", x_factor=0.1, y_factor=0.1),
         r"cannot load it \(TypeError: The `factor`"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(middle, words, tmp_path) -> None:
    """Keras itself cannot run the second, which it resizes otherwise than it says, nor load the
    third."""
    path = tmp_path / "m.keras"
    classifier(middle).save(path)
    with pytest.raises(ModelFileError, match=words) as caught:
        export_foreign(path, ForeignModel(("a", "b", "c"), normalize="none"), tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(
    ("version", "advice"),
    [("99.0.0", " Keras 99.0.0 wrote it: install that version."), ("3.0.0", ""), ("newest", "")],
)
def test_a_file_of_a_newer_keras_is_told(version: str, advice: str, tmp_path) -> None:
    path = tmp_path / "m.h5"
    classifier(on("Conv2D", filters=2, kernel_size=1)).save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = file.attrs["model_config"].replace('"padding"', '"sides"')
    with pytest.raises(
        ModelFileError, match=r"cannot load it \(\w+Error: .*'sides'.*\)\."
    ) as caught:
        load_inspected(path)
    assert str(caught.value).rpartition(").")[2] == advice


LISTED = "3.15"
"""Version of Keras whose layers are all here."""

NO_PART_OF_A_CLASSIFIER_OF_PICTURES = {
    # what others are made of
    "Layer", "Wrapper", "InputLayer", "AbstractRNNCell", "GRUCell", "LSTMCell", "SimpleRNNCell",
    "StackedRNNCells", "RNN", "Bidirectional", "TimeDistributed", "InputSpec", "Pipeline",
    "AugMix", "RandAugment", "Embedding", "Masking", "CategoryEncoding", "RepeatVector",
    # of words and tables, or of other programs: refused
    "TextVectorization", "StringLookup", "IntegerLookup", "HashedCrossing", "Hashing",
    "ReversibleEmbedding", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Lambda",
    # not convertible, or not built on a picture of unknown batch
    "MelSpectrogram", "RandomCrop", "RandomShear", "Equalization",
    "ContrastLimitedAdaptiveHistogramEqualization", "MaxNumBoundingBoxes",
    "ConvLSTM3D",
}  # fmt: skip


def test_no_layer_of_keras_is_forgotten() -> None:
    if not keras.__version__.startswith(LISTED):
        pytest.skip(f"the list is of Keras {LISTED}; this one may have other layers")
    known = {name.partition(" ")[0] for name in CASES} | NO_PART_OF_A_CLASSIFIER_OF_PICTURES
    every = {
        name
        for name, found in vars(layers).items()
        if isinstance(found, type)
        and issubclass(found, keras.Layer)
        # Keras has old names of some.
        and name == found.__name__
    }
    assert sorted(every - known) == []
