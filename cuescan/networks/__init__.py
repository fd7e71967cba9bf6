"""The networks."""

from cuescan.networks.maps import PathMambaMaps
from cuescan.networks.path_mamba import PathMamba
from cuescan.networks.trunk import trunk_arguments

__all__ = ["PathMamba", "PathMambaMaps", "trunk_arguments"]
