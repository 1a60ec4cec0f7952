"""The experiment file: schema, loading, and the settings of each stage."""

from hybrid_pde.config.loading import load_experiment, parse_experiment, to_mapping
from hybrid_pde.config.schema import Experiment

__all__ = ["Experiment", "load_experiment", "parse_experiment", "to_mapping"]
