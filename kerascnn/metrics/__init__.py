"""Metrics of a model's predictions, from plain arrays.

Knows: numpy. Does not know where predictions come from, neither onnxruntime nor Keras.
"""
