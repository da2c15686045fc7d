"""Sessions: run a graph with an execution provider, and choose the provider.

Knows: onnxruntime, OpenVINO, their providers and settings. Does not know what a file says about
itself (:mod:`kerascnn.inference.model_file`).
"""
