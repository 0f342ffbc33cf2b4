"""A Dagster asset-graph data platform for Pinterest-style posts."""

from importlib.metadata import version

__version__ = version("pinterest_platform")
