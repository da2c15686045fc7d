"""What an ``.onnx`` file says about itself, read without the onnx package.

Knows: the bytes of the file, its card, and what must be told about a file made elsewhere. Does
not know onnxruntime: what runs a file is in :mod:`kerascnn.inference.runtime.ort`.
"""
