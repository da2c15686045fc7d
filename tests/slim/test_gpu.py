"""The path to a GPU, on a simulated one: onnxruntime with CUDA's name and the CPU's arithmetic.

What is shown: what onnxruntime is told, and that answers come through. Not that CUDA computes.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from kerascnn import Classifier
from kerascnn.errors import ProviderError

Session, Value = onnxruntime.InferenceSession, onnxruntime.OrtValue
CUDA = "CUDAExecutionProvider"

CALL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, "
    "void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, "
    "SUCCTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true] "
)
NO_DEVICE = (
    f"{CALL}{CALL}CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=here ; "
    "file=cuda_execution_provider.cc ; line=355 ; expr=cudaSetDevice(info_.device_id); \n\n"
)
"""What onnxruntime-gpu 1.31.1 throws where there is a driver and no device."""


class SimulatedBinding:
    def __init__(self, session: Any) -> None:
        self._binding = session.io_binding()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._binding, name)

    def bind_output(self, name: str, device: str) -> None:
        assert device == "cuda"
        self._binding.bind_output(name, "cpu")


class SimulatedSession:
    """Opens as on a GPU; every call must come by a binding."""

    told: dict[str, Any]
    refuses_graphs = falls_back = has_no_device = False

    def __init__(
        self, path: str, options: Any, providers: list[tuple[str, dict]], enable_fallback: int
    ) -> None:
        assert not enable_fallback
        if self.has_no_device:
            raise RuntimeError(NO_DEVICE)
        self.name, told = providers[0]
        type(self).told = told
        if self.refuses_graphs and "enable_cuda_graph" in told:
            raise onnxruntime.capi.onnxruntime_pybind11_state.Fail("not partitioned to the CUDA EP")
        self._session = Session(path, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"] if self.falls_back else [self.name]

    def get_inputs(self) -> Any:
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        return self._session.get_outputs()

    def io_binding(self) -> SimulatedBinding:
        return SimulatedBinding(self._session)

    def run_with_iobinding(self, binding: SimulatedBinding, options: Any) -> None:
        self._session.run_with_iobinding(binding._binding, options)


class SimulatedValue:
    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device: str, number: int) -> Any:
        assert (device, number) == ("cuda", 0)
        return Value.ortvalue_from_numpy(array.copy(), "cpu")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> type[SimulatedSession]:
    class Here(SimulatedSession):
        pass

    monkeypatch.setattr(onnxruntime, "InferenceSession", Here)
    monkeypatch.setattr(onnxruntime, "OrtValue", SimulatedValue)
    names = [CUDA, "TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    return Here


@pytest.fixture(scope="module")
def expected(exported: Path) -> list[np.ndarray]:
    with Classifier(exported, "cpu") as classifier:
        return [classifier.run(batch)[1] for batch in batches()]


def batches() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (count, 32, 32, 3), np.uint8) for count in (2, 1, 2, 2, 1, 5)]


@pytest.mark.parametrize("refuses_graphs", [False, True])
@pytest.mark.parametrize("arithmetic", ["exact", "fast"])
def test_cuda_answers_with_graphs_and_without(
    refuses_graphs: bool, arithmetic, gpu, exported: Path, expected
) -> None:
    gpu.refuses_graphs = refuses_graphs
    with Classifier(exported, "cuda", arithmetic=arithmetic) as classifier:
        assert classifier.provider == "cuda"
        for batch, answer in zip(batches(), expected, strict=True):
            np.testing.assert_array_equal(classifier.run(batch)[1], answer)
    assert gpu.told["use_tf32"] == (arithmetic == "fast")
    assert ("enable_cuda_graph" in gpu.told) != refuses_graphs


def test_tensorrt_keeps_what_it_compiles_beside_the_file(
    gpu, exported: Path, expected, tmp_path: Path
) -> None:
    model = Path(shutil.copy(exported, tmp_path / "clothes.onnx"))
    with Classifier(model, "tensorrt", arithmetic="fast") as classifier:
        np.testing.assert_array_equal(classifier.run(batches()[0])[1], expected[0])
    assert gpu.told["trt_engine_cache_path"] == f"{model}.tensorrt"
    assert gpu.told["trt_fp16_enable"] == 1


def test_a_silent_fall_back_to_the_cpu_is_refused(gpu, exported: Path) -> None:
    gpu.falls_back = True
    with pytest.raises(ProviderError, match=r"asked for provider cuda.*CPUExecutionProvider"):
        Classifier(exported, "cuda")


def test_a_machine_without_a_gpu_is_not_blamed_on_the_file(gpu, exported: Path) -> None:
    gpu.has_no_device = True
    with pytest.raises(
        ProviderError, match=r"provider cuda: it cannot start here.*no CUDA-capable"
    ):
        Classifier(exported, "cuda")
