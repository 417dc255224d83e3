"""What came from the secret store, on its way to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SecretVariables:
    """Variables in clear that came from the secret store, by group or host; for memory only."""

    of: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
