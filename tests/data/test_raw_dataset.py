import pytest

from cuescan.data.raw_dataset import RawDataset


@pytest.mark.parametrize("background", [True, False])
def test_dataset_json_says_whether_there_is_a_background(background: bool) -> None:
    """nnU-Net copies dataset.json beside predictions, where no cues.json could say it."""
    document = RawDataset(7, "Tissue", ("tumour", "stroma"), background).document(3)
    assert document["background"] is background
    assert document["labels"] == {"background": 0, "tumour": 1, "stroma": 2, "ignore": 3}
