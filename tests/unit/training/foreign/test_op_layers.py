"""Operators as Keras 2 kept them up to TensorFlow 2.3: read, and computed as tf_keras does."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from google.protobuf import json_format
from tf_keras.src.engine.base_layer import TensorFlowOpLayer

from kerascnn.errors import ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.training.foreign.loading import load_foreign

pytestmark = pytest.mark.filterwarnings("ignore")


def kept(function: Any, *tensors: Any) -> Any:
    """Apply operators, each kept as a layer, as Keras did with what it met between layers."""
    graph = tf.Graph()
    with graph.as_default():
        entries = [tf.compat.v1.placeholder(tf.float32, [None, *t.shape[1:]]) for t in tensors]
        function(*entries)
    values = {entry.name: tensor for entry, tensor in zip(entries, tensors, strict=True)}
    for operator in graph.get_operations():
        if operator.type in ("Placeholder", "Const"):
            continue
        taken = [values[one.name] for one in operator.inputs if one.name in values]
        constants = {
            index: tf.get_static_value(one)
            for index, one in enumerate(operator.inputs)
            if one.name not in values
        }
        definition = json_format.MessageToDict(operator.node_def)
        name = tf_keras.backend.get_uid(operator.type)
        layer = TensorFlowOpLayer(definition, f"{operator.type}_{name}", constants)
        given = layer(taken if len(taken) > 1 else taken[0])
        values[operator.outputs[0].name] = given
    return given


def caffe(x: Any) -> Any:
    """As ``preprocess_input`` of ResNet50 and VGG16 does."""
    return tf.nn.bias_add(x[..., ::-1], tf.constant([-103.939, -116.779, -123.68]))


def own_block(x: Any, y: Any) -> Any:
    whole = tf.cast(tf.cast(y * 3.0, tf.int32), tf.float32)
    joined = tf.concat([tf.nn.relu6(1.0 - x), tf.sigmoid(y) / 2.0, x + whole], -1)
    return tf.pad(joined, [[0, 0], [1, 1], [0, 2], [0, 0]])[:, 1:, ::2, :]


def pooled(x: Any) -> Any:
    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    return tf.reshape(tf.reduce_max(tf.maximum(x, mean) - tf.square(mean), axis=[1, 2]), [-1, 9])


def softmax(x: Any) -> Any:
    return tf.nn.softmax(x)


def test_operators_are_computed_as_by_keras_2(tmp_path) -> None:
    entry = tf_keras.Input((12, 12, 3))
    shifted = kept(lambda x: x / 127.5 - 1.0, kept(caffe, entry))
    features = tf_keras.layers.Conv2D(3, 3, padding="same")(shifted)
    answer = tf_keras.layers.Dense(4)(kept(pooled, kept(own_block, features, shifted)))
    model = tf_keras.Model(entry, kept(softmax, answer))
    model.save(tmp_path / "old.h5")
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 12, 12, 3)).astype(np.float32)
    loaded = load_foreign(tmp_path / "old.h5", ForeignModel(("a", "b", "c", "d")))
    np.testing.assert_allclose(loaded.model(pictures), model(pictures), atol=1e-6)


def test_an_operator_that_is_not_known_is_named(tmp_path) -> None:
    entry = tf_keras.Input((8, 8, 3))
    odd = kept(lambda x: tf.nn.depth_to_space(tf.concat([x, x, x, x], -1), 2), entry)
    tf_keras.Model(entry, tf_keras.layers.GlobalAveragePooling2D()(odd)).save(tmp_path / "old.h5")
    with pytest.raises(ModelFileError, match=r"calls TensorFlow's DepthToSpace"):
        load_foreign(tmp_path / "old.h5", ForeignModel(("a", "b", "c")))
