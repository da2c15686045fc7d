"""How good the answers of a model are, from plain arrays.

Knows: numpy. Does not know what gave the answers, neither onnxruntime nor Keras.
"""
