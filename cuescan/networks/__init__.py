"""The networks."""

from cuescan.networks.maps import PathMambaMaps, TIFCMambaMaps
from cuescan.networks.path_mamba import PathMamba
from cuescan.networks.tifc_mamba import TIFCMamba
from cuescan.networks.trunk import trunk_arguments

__all__ = ["PathMamba", "PathMambaMaps", "TIFCMamba", "TIFCMambaMaps", "trunk_arguments"]
