"""Sessions: what runs a graph, with which provider, and how that is found out.

Knows: onnxruntime, OpenVINO, their providers and settings. Does not know what a file says about
itself: that is in :mod:`kerascnn.inference.model_file`.
"""
