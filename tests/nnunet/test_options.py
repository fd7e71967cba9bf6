from __future__ import annotations

import pytest

from cuescan.errors import UserError
from cuescan.nnunet.options import TrainingOptions


def test_the_recipe_of_the_paper_is_the_default():
    options = TrainingOptions.from_environment({})
    assert (options.epochs, options.batch_size, options.lr, options.weight_decay) == (100, 16, 1e-5, 5e-4)
    assert options.size == "T" and options.trunk is None


def test_options_are_read_and_empty_ones_are_not_set():
    environment = {"CUESCAN_EPOCHS": "3", "CUESCAN_SIZE": "b", "CUESCAN_LR": " ", "CUESCAN_LOSS_ARGUMENTS": '{"r": 2}'}
    options = TrainingOptions.from_environment(environment)
    assert (options.epochs, options.size, options.lr, options.loss_arguments) == (3, "B", 1e-5, {"r": 2})


def test_what_is_stored_comes_back_without_the_path_of_the_trunk(tmp_path):
    trunk = tmp_path / "trunk.safetensors"
    trunk.touch()
    options = TrainingOptions.from_environment({"CUESCAN_TRUNK": str(trunk), "CUESCAN_SEED": "7"})
    stored = options.stored()
    assert stored["trunk"] == "trunk.safetensors"
    assert TrainingOptions.from_stored(stored | {"of_another_version": 1}).seed == 7


def test_a_continued_training_may_become_longer_but_not_other():
    stored = TrainingOptions.from_environment({"CUESCAN_EPOCHS": "3", "CUESCAN_BATCH_SIZE": "4"})
    resumed = stored.resumed({"CUESCAN_EPOCHS": "5", "CUESCAN_WORKERS": "0", "CUESCAN_BATCH_SIZE": "4"})
    assert (resumed.epochs, resumed.workers, resumed.batch_size) == (5, 0, 4)
    assert stored.resumed({}).batch_size == 4
    with pytest.raises(UserError, match="CUESCAN_BATCH_SIZE is 8 but was 4; unset them"):
        stored.resumed({"CUESCAN_BATCH_SIZE": "8"})


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
def test_a_bad_value_is_named_with_variable_and_rule(value):
    with pytest.raises(UserError) as caught:
        TrainingOptions.from_environment({"CUESCAN_BATCH_SIZE": value})
    assert str(caught.value) == (
        f"the environment variable CUESCAN_BATCH_SIZE is '{value}' but must be a whole number of at least 1; "
        "correct or unset it"
    )


OWN = {"lr": 1e-3, "average": 0.99, "loss_arguments": {"absent": "pixels"}}


def test_the_recipe_is_the_trainers_own_or_its_papers():
    own = TrainingOptions.from_environment({}, OWN, {"epochs": 7})
    paper = TrainingOptions.from_environment({"CUESCAN_RECIPE": "Paper"}, OWN, {"epochs": 7})
    assert (own.recipe, own.lr, own.average, own.epochs) == ("own", 1e-3, 0.99, 100)
    assert (paper.recipe, paper.lr, paper.average, paper.epochs, paper.loss_arguments) == ("paper", 1e-5, 0, 7, {})
    assert TrainingOptions.from_environment({"CUESCAN_RECIPE": "paper"}, OWN).lr == 1e-3  # it is the paper's already
    with pytest.raises(UserError, match="CUESCAN_RECIPE is 'mine' but must be own or paper"):
        TrainingOptions.from_environment({"CUESCAN_RECIPE": "mine"}, OWN)


def test_what_is_set_wins_over_the_recipe_and_objects_complete_it():
    environment = {"CUESCAN_LR": "2e-4", "CUESCAN_LOSS_ARGUMENTS": '{"r": 2}'}
    options = TrainingOptions.from_environment(environment, OWN)
    assert options.lr == 2e-4 and options.loss_arguments == {"absent": "pixels", "r": 2}
    assert options.resumed(environment) == options.resumed({}) == options
    with pytest.raises(UserError, match="CUESCAN_LOSS_ARGUMENTS"):
        options.resumed({"CUESCAN_LOSS_ARGUMENTS": '{"absent": "pooled"}'})
    assert OWN["loss_arguments"] == {"absent": "pixels"}


@pytest.mark.parametrize(
    "name, value", [("AVERAGE", "1"), ("AVERAGE", "-0.1"), ("SCHEDULE", "steps"), ("TRUNK_RATE", "0")]
)
def test_options_of_the_recipe_are_checked(name, value):
    with pytest.raises(UserError, match=f"CUESCAN_{name} is '{value}' but must be"):
        TrainingOptions.from_environment({f"CUESCAN_{name}": value})
