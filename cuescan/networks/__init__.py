"""The networks."""

from cuescan.networks.path_mamba import PathMamba, PathMambaMaps
from cuescan.networks.trunk import trunk_arguments

__all__ = ["PathMamba", "PathMambaMaps", "trunk_arguments"]
