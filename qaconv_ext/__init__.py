"""Fused matching kernels, graph sampling and losses for person re-identification.

``qaconv_ext.qaconv`` holds the matcher, ``qaconv_ext.graph`` the samplers, ``qaconv_ext.losses``
the losses on score matrices, ``qaconv_ext.backend`` the choice of implementation.
"""

from importlib.metadata import PackageNotFoundError, version

# torch is not imported here: parts of the package do without it.
try:
    __version__ = version("qaconv-ext")
except PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0+unknown"
