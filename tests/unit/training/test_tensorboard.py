"""What TensorBoard is given, read back with TensorBoard's own reader."""

import subprocess
import sys

import pytest

from kerascnn.training.callbacks import Callback, CallbackList, EpochRecord, TensorBoard


class Listener(Callback):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_run_begin(self, folder, epochs_done):
        self.heard.append((folder, epochs_done))

    def on_epoch_end(self, record, best):
        self.heard.append((record.epoch, best))


def test_every_number_of_every_epoch_can_be_read_back(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    listener = Listener()
    board = CallbackList(listener, TensorBoard())
    board.on_run_begin(tmp_path, 0)
    for epoch in (1, 2):
        board.on_epoch_end(
            EpochRecord(epoch, 0.003, 1 / epoch, 0.5, 0.9, 0.55, 4000, 1.5), epoch == 2
        )
    assert listener.heard == [(tmp_path, 0), (1, False), (2, True)]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tensors = {
        tag: [(e.step, e.tensor_proto.float_val[0]) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert tensors["loss/training"] == [(1, 1.0), (2, 0.5)]
    assert tensors["accuracy/validation"] == [(1, pytest.approx(0.55)), (2, pytest.approx(0.55))]
    assert set(tensors) == {
        "loss/training", "loss/validation", "accuracy/training", "accuracy/validation",
        "learning rate", "images a second",
    }  # fmt: skip


@pytest.mark.slow
def test_it_is_imported_only_when_asked_for():
    code = (
        "import sys; import kerascnn.training.train, kerascnn.cli.train;"
        "sys.exit('tensorboard' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_from_the_command_line():
    from pathlib import Path

    from click.testing import CliRunner

    from kerascnn.cli import main

    result = CliRunner().invoke(
        main, ["train", "--epochs", "1", "--out", "run", "--tensorboard", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert len(list(Path("run/tensorboard").glob("events.*"))) == 1
