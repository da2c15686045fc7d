"""Training from Python and notebooks: what is shown, and what the package says it has."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import kerascnn
from kerascnn import training
from kerascnn.console import SafeConsole
from kerascnn.language import use_language
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.display import shown
from kerascnn.training.display.notebook import NotebookDisplay, bar
from kerascnn.training.display.terminal import TrainingDisplay

RECORD = EpochRecord(1, 0.01, 0.5, 0.75, 0.6, 0.7, 1000, 1.5)
LINE = "epoch 1/2  loss 0.5000  accuracy 75.00%  val loss 0.6000  val accuracy 70.00%"
GOLDEN = Path(__file__).parents[2] / "golden"


def test_public_names_and_nothing_else_are_listed() -> None:
    code = (
        "import kerascnn, sys; a = dir(kerascnn), dir(kerascnn.training), dir(kerascnn.inference);"
        "b = kerascnn.__all__, kerascnn.training.__all__, kerascnn.inference.__all__;"
        "assert [set(x) for x in a] == [set(x) for x in b], (a, b);"
        "assert not {'keras', 'onnxruntime', 'rich', 'matplotlib', 'pandas'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for package in (kerascnn, training, kerascnn.inference, kerascnn.serving, kerascnn.convolution):
        for name in package.__all__:
            assert getattr(package, name) is not None, name


@pytest.mark.parametrize("begin", [training.fit, training.advise, training.find_learning_rate])
def test_what_is_no_configuration_is_told_in_one_line(begin) -> None:
    with pytest.raises(kerascnn.KerascnnError, match=r"of type str; expected a .*TrainConfig"):
        begin("flowers")
    with pytest.raises(kerascnn.KerascnnError, match="data is array") as told:
        training.TrainConfig(data=np.zeros((50, 50)))  # type: ignore[arg-type]
    assert "\n" not in str(told.value)


def test_a_run_is_shown_in_the_command_lines_words_on_standard_error(capsys) -> None:
    with shown(None) as progress:
        progress.on_phase_begin(2, 10, 64)
        progress.on_epoch_end(RECORD, True)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{LINE}  1,000 images/s  1.5 s  kept\n")


def test_a_callback_of_ones_own_is_all_that_is_called(capsys) -> None:
    own = Callback()
    with shown(own) as progress:
        assert progress is own
        progress.on_epoch_end(RECORD, True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_nothing_of_tensorflow_is_seen(tmp_path) -> None:
    code = (
        "from kerascnn import training; from kerascnn.training.display import terminal\n"
        "def stop(*_): raise SystemExit(0)\n"
        "terminal.TrainingDisplay.on_phase_begin = stop\n"
        "training.fit(training.TrainConfig(out='run', epochs=2, cache='none'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert done.stdout == ""
    first = [line.split()[0] for line in lines]
    assert first == ["data", "pictures", "network", "device", "steps", "augment", "run"], lines


class Frontend:
    """Stands in for IPython's display."""

    def __init__(self) -> None:
        self.now: list[str] = []

    def update(self, html: str) -> None:
        self.now.append(html)


def test_a_notebook_has_a_bar_and_the_same_lines(capsys) -> None:
    display, frontend = NotebookDisplay(SafeConsole(sys.stderr)), Frontend()
    display._handle, display._html = frontend, str
    display.on_phase_begin(2, 10, 64)
    display.on_step_end(1, 5, 0.5, 0.75)
    display.on_epoch_end(RECORD, False)
    display.__exit__()
    assert 'value="5" max="20"' in frontend.now[-2]
    assert "step 5/10  loss 0.5000  accuracy 75.00%" in frontend.now[-2]
    assert frontend.now[-1] == ""
    assert capsys.readouterr() == (f"{LINE}  1,000 images/s  1.5 s\n", "")
    assert issubclass(NotebookDisplay, TrainingDisplay)


def test_an_interrupted_fit_says_how_to_resume(capsys, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), shown(None) as display:
        display.on_run_begin(tmp_path, 0)
        raise KeyboardInterrupt
    said = capsys.readouterr().err.replace("\n", "")
    assert said.endswith(f"is in {tmp_path}; continue with: fit(…, resume=True)")
    with pytest.raises(KeyboardInterrupt), shown(None):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Stopped before anything was learned.\n"


def test_names_in_the_bar_are_text() -> None:
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(bar("reading <script>", 1, 2, "</div><b>"))
    assert tags == ["div", "progress"]


def test_a_run_shows_and_draws_itself() -> None:
    run = training.open_run(GOLDEN / "old_run")
    html = run._repr_html_()
    assert f"{run.card.metrics['val_top1']:.2%}" in html
    left, right = run.plot().axes
    assert len(left.lines[0].get_xdata()) == len(run.history)
    assert right.get_ylabel() == "accuracy, %"
    shown = [(line.get_label(), line.get_linestyle()) for line in left.lines]
    assert shown == [("training", "--"), ("validation", "-")]  # as in the report
    assert "no network" in training.Run(Path("nowhere<b>"))._repr_html_()
    with use_language("ko"):
        assert "아직 저장된 신경망이 없음" in training.Run(Path("nowhere"))._repr_html_()
        korean = re.sub("<.*?>", " ", run._repr_html_().replace(run.card.network, ""))
        korean = korean.replace("fit(…, resume=True)", "")
    assert set(re.findall(r"[가-힣]+", korean)) >= {"신경망", "클래스", "상태", "검증", "정확도"}
    assert not re.search(r"(?<![\w/])[a-z]{4}", re.sub(r"\S*/\S*", "", korean)), korean
    assert "<b>" not in training.Run(Path("nowhere<b>"))._repr_html_()


@pytest.mark.slow
def test_a_summary_is_the_tree_of_blocks() -> None:
    from kerascnn.training.networks import build_network

    network = build_network("resnet18", 2, 32)
    training.set_trainable(network, "head")
    html = training.summarize(network)._repr_html_()
    for block in training.blocks(network):
        assert f">{block.name}<" in html
    assert "1,026 trainable" in html
    with use_language("ko"):
        assert (
            "파라미터 11,177,538개, 그중 1,026개 학습" in training.summarize(network)._repr_html_()
        )
    assert "frozen" in html
