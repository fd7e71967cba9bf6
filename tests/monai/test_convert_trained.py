"""A TIFCMamba that nnU-Net trained by sentences, its small encoder included, goes to MONAI and back."""

from __future__ import annotations

import json

import pytest
import tiny_sentences
from nnunet_models import PROMPTS, WORDS, Place, contents, draw_images, masks_of, same
from nnunet_workplace import Workplace


@pytest.mark.slow
def test_a_trained_model_with_its_small_encoder_answers_prompts_on_both_sides(tmp_path):
    place = Place(Workplace(tmp_path))
    tiny_sentences.make_raw(place.raw)
    place.run("cuescan", "plan", "-d", "5")
    place.run("nnUNetv2_train", "5", "2d", "0", "-tr", "TIFCMambaTrainer", "-device", "cpu")
    images, prompts = draw_images(tmp_path / "images"), tmp_path / "prompts.json"
    prompts.write_text(json.dumps(PROMPTS))
    trained = place.results / "Dataset005_Tiny" / "TIFCMambaTrainer__nnUNetPlans__2d"
    bundle, back = tmp_path / "bundle", tmp_path / "back"
    assert "not found" not in place.run("cuescan", "convert", str(trained), str(bundle))
    place.run("cuescan", "convert", str(bundle), str(back), nnUNet_preprocessed="")
    for model, masks in ((trained, "before"), (back, "after")):
        place.run(
            *("cuescan", "predict", "-i", str(images), "-o", str(tmp_path / masks), "-m", str(model)),
            *("-device", "cpu", "--prompts", str(prompts)),
        )
    place.monai(bundle, images, tmp_path / "between", "--device", "cpu", "--prompts", str(prompts))
    expected = masks_of(tmp_path / "before")
    assert any(mask.any() for mask in expected.values()) and not expected["small"].any()
    assert same(masks_of(tmp_path / "between"), expected) and same(masks_of(tmp_path / "after"), expected)
    written = [*contents(bundle).values(), *contents(back).values()]
    assert not any(word.encode() in content for word in WORDS for content in written)
