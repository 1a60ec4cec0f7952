"""The experiment file's schema: every key with its type and default, one module per section.

Defaults are defined here only; the tables in the documentation are generated from them.
"""

from hybrid_pde.config.schema.augmentation import (
    AugmentationParams,
    HybridParams,
)
from hybrid_pde.config.schema.data import (
    DataParams,
    ObservationParams,
    SelectParams,
)
from hybrid_pde.config.schema.experiment import (
    EvaluationParams,
    Experiment,
    RunParams,
    WorkflowParams,
)
from hybrid_pde.config.schema.generation import (
    DrawnState,
    GaussianBumps,
    GaussianRandomField,
    GenerationParams,
    GivenStates,
    InitialCondition,
    PerturbedField,
    ResemblingField,
)
from hybrid_pde.config.schema.models import (
    SCHEME_ORDERS,
    ModelParams,
    NumericsParams,
    PhysicalModelParams,
    SyntheticModelParams,
)
from hybrid_pde.config.schema.section import (
    FieldName,
    FolderName,
    Index,
    Interval,
    Number,
    Section,
)
from hybrid_pde.config.schema.training import (
    AUTOMATIC,
    CompleteTraining,
    Curriculum,
    FourierModes,
    Gaussians,
    GridValues,
    LearnableParameter,
    Parametrization,
    PhysicalTraining,
    Prior,
    SharedTraining,
    SyntheticTraining,
    TrainerParams,
)

__all__ = [
    "AUTOMATIC",
    "AugmentationParams",
    "CompleteTraining",
    "Curriculum",
    "DataParams",
    "DrawnState",
    "EvaluationParams",
    "Experiment",
    "FieldName",
    "FolderName",
    "FourierModes",
    "GaussianBumps",
    "GaussianRandomField",
    "Gaussians",
    "GenerationParams",
    "GivenStates",
    "GridValues",
    "HybridParams",
    "Index",
    "InitialCondition",
    "Interval",
    "LearnableParameter",
    "ModelParams",
    "Number",
    "NumericsParams",
    "ObservationParams",
    "Parametrization",
    "PerturbedField",
    "PhysicalModelParams",
    "PhysicalTraining",
    "Prior",
    "ResemblingField",
    "RunParams",
    "SCHEME_ORDERS",
    "Section",
    "SelectParams",
    "SharedTraining",
    "SyntheticModelParams",
    "SyntheticTraining",
    "TrainerParams",
    "WorkflowParams",
]
