"""What a weak training needs in any pipeline: cues as tensors, augmentation that cues survive, the score from cues."""
