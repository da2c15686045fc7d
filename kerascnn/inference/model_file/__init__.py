"""Reads what an ``.onnx`` file says about itself, without the onnx package.

Knows: the file format, the card, and what a foreign file lacks. Does not know onnxruntime
(:mod:`kerascnn.inference.runtime`).
"""
