"""A data set of data_sets.yml."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """What data there is on a host, and where; its needs from 1 (low) to 4 (high)."""

    name: str
    title: str
    host: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...]
    needs: Mapping[str, int]
