"""Frozen image and text encoders through open_clip: given by folder, by name, or trained on a data set's own pairs.

Nothing here imports open_clip before an encoder is asked for, and nothing is fetched unless a name asks for it.
"""

from cuescan.encoders.clip_encoder import ClipEncoder
from cuescan.encoders.loading import encoder_sizes, load_encoder
from cuescan.encoders.small import small_encoder
from cuescan.encoders.text_cache import TextCache
from cuescan.encoders.text_tower import Sizes

__all__ = ["ClipEncoder", "Sizes", "TextCache", "encoder_sizes", "load_encoder", "small_encoder"]
