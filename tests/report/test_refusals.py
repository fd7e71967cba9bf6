"""Each error names the file and the remedy, in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cuescan.cli import main


def refusal(capsys, *arguments) -> str:
    assert main(["report", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line.removeprefix("cuescan: error: ")


def test_no_such_run(tmp_path, capsys):
    message = refusal(capsys, tmp_path / "fold_9")
    assert message.startswith(f"{tmp_path / 'fold_9'}: there is no such folder; give a fold")


def test_a_folder_that_holds_no_run(tmp_path, capsys):
    assert "neither a fold" in refusal(capsys, tmp_path)


def test_a_model_instead_of_a_fold(place, capsys):
    message = refusal(capsys, place.fold.parent)
    assert f"name one of its folds, such as {place.fold}" in message


def test_a_fold_without_predictions_names_the_command_that_makes_them(place, capsys):
    for path in place.predictions.iterdir():
        path.unlink()
    message = refusal(capsys, place.fold)
    assert str(place.predictions) in message
    assert "'nnUNetv2_train 1 2d 0 -tr PathMambaTrainer -p nnUNetPlans --val'" in message


def test_predictions_without_scores_name_the_command_that_makes_them(place, capsys):
    message = refusal(capsys, place.predictions)
    assert "scores.json: no scores yet" in message and f"'cuescan evaluate {place.predictions} MASKS'" in message


def test_a_bundle_without_scores_names_its_own_command(tmp_path, capsys):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.json").write_text("{}")
    assert "monai.bundle run --config_file .../configs/evaluate.json" in refusal(capsys, tmp_path)


@pytest.mark.parametrize("option", ["--masks", "--images", "--predictions"])
def test_a_folder_that_is_not_there(place, capsys, option, tmp_path):
    message = refusal(capsys, place.fold, option, tmp_path / "nowhere")
    assert message == f"{tmp_path / 'nowhere'}: there is no such folder; correct {option}"


def test_scores_of_another_program(place, capsys):
    path = place.predictions / "scores.json"
    path.write_text(json.dumps({"mean": {}}))
    assert refusal(capsys, place.predictions).startswith(f"{path}: not the scores of cuescan evaluate")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({"softmax": np.zeros((3, 1, 48, 48))}, "there are no 'probabilities'"),
        ({"probabilities": np.zeros((3, 1, 24, 48))}, "the probabilities are 1 x 24 x 48 but the prediction 48 x 48"),
        ({"probabilities": np.array([{"a": 1}])}, "cannot be read as probabilities (ValueError)"),
    ],
)
def test_probabilities_that_do_not_fit_and_objects_are_never_loaded(place, capsys, stored, reason):
    path = place.predictions / f"{place.cases[0]}.npz"
    np.savez_compressed(path, **stored)
    message = refusal(capsys, place.fold)
    assert message.startswith(f"{path}: {reason}") and "predict again, or remove the file" in message


def test_a_damaged_archive_of_probabilities(place, capsys):
    path = place.predictions / f"{place.cases[0]}.npz"
    path.write_bytes(b"PK\x03\x04 cut off")
    assert refusal(capsys, place.fold).startswith(f"{path}: cannot be read as probabilities")


def test_a_damaged_line_of_the_curves(place, capsys):
    path = place.fold / "progress_cues.jsonl"
    path.write_text('{"epoch": 0, "loss": 1.0}\n{"epoch": 1, "lo')
    assert refusal(capsys, place.fold).startswith(f"{path}: line 2 is not valid JSON; remove the line")


def test_an_image_of_another_size(place, capsys):
    from tiny_dataset import save

    save(place.raw / "imagesTr" / f"{place.cases[0]}_0000.png", np.zeros((20, 48, 3), np.uint8))
    message = refusal(capsys, place.fold)
    assert place.cases[0] in message and "48 x 20" in message


def test_fewer_than_one_case_and_no_place_for_the_page(place, capsys, tmp_path):
    assert "-n is 0" in refusal(capsys, place.fold, "-n", 0)
    assert "there is no such folder; make it" in refusal(capsys, place.fold, "-o", tmp_path / "a" / "b.html")


@pytest.mark.parametrize("content", ['{"rows": [{"method": 1}]}', '{"rows": 3}', "[]"])
def test_results_that_are_no_benchmark(tmp_path, capsys, content):
    (tmp_path / "results.json").write_text(content)
    assert "not the results of a benchmark; write them with benchmarks/weak.py" in refusal(capsys, tmp_path)


def test_a_benchmark_without_a_scored_model(tmp_path, capsys):
    (tmp_path / "results.json").write_text('{"rows": []}')
    assert "no scored model yet" in refusal(capsys, tmp_path)
