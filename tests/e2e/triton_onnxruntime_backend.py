"""Stands for Triton's onnxruntime backend, which the wheel of nvidia-pytriton lacks.

Triton takes a backend written in Python by this file's place: backends/onnxruntime/model.py.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Runs the repository's model.onnx; what waited together is one batch."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        name = config["default_model_filename"] or "model.onnx"
        options = ort.SessionOptions()
        threads = config["parameters"]["intra_op_thread_count"]["string_value"]
        options.intra_op_num_threads = int(threads)
        path = Path(args["model_repository"], args["model_version"], name)
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.outputs = [output["name"] for output in config["output"]]

    def execute(self, requests):
        images = [pb_utils.get_input_tensor_by_name(one, "image").as_numpy() for one in requests]
        found = self.session.run(self.outputs, {"image": np.concatenate(images)})
        ends = np.cumsum([len(batch) for batch in images])[:-1]
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor(*pair) for pair in zip(self.outputs, parts, strict=True)]
            )
            for parts in zip(*(np.split(one, ends) for one in found), strict=True)
        ]
