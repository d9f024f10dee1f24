"""Git repositories behind the Sources port (docs/sources.md)."""

from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.adapters.git.origins import Origin
from ocdp_operator.adapters.git.sources import GitSources

__all__ = ["GitSources", "Origin", "SourceLimits"]
