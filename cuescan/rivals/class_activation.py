"""Class activation mapping (CVPR 2016): the baseline of all methods that learn masks from image-level labels."""

from __future__ import annotations

from cuescan.rivals.classifier import ActivationNetwork


class ClassActivation(ActivationNetwork):
    """A ResNet with a 1x1 classifier and mean pooling, whose class maps are the masks.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016. Mean pooling and a linear
    classifier commute, so that the classifier can be applied to each pixel first and its maps averaged; these maps are
    the paper's Eq. 2. A class begins at 20% of its map's maximum (section 3.2).

    As published: mean pooling, one linear layer, the threshold. Different: several labels per image, hence sigmoids
    where the paper has a softmax; ResNet-50's first four stages, the stem counted, joined at stride 8, the same trunk
    that PathMamba reads, where the paper has ImageNet's networks of 2015; a confidence for the background (see
    :func:`cuescan.rivals.activations.logits_of_shares`), since nnU-Net takes logits.

    Args and shapes:
        As :class:`ActivationNetwork`.
    """
