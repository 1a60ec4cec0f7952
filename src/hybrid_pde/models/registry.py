"""Models by name: built-in ones, and those in a Python file of the user."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.discovery import (
    architecture_module,
    architecture_options,
    classes_in,
    equation_classes,
)
from hybrid_pde.config.error_messages import suggest
from hybrid_pde.errors import USER_MODULE, ConfigError

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import Grid
    from hybrid_pde.models.physical.equation import Equation
    from hybrid_pde.models.physical.physical_model import PhysicalModel
    from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

Class = TypeVar("Class", bound=type)
_USER_NETWORK = "hybrid_pde.models.synthetic.user_network"


class ModelRegistry:
    """Creates the models that an experiment names.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
    """

    # those of the user; built-in ones are found by their folder
    _physical: dict[str, type["Equation"]] = {}
    _synthetic: dict[str, type["SyntheticModel"]] = {}

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        self.experiment = parse_experiment(config)

    @classmethod
    def register_physical(cls, name: str) -> Callable[[Class], Class]:
        """Class decorator: the equation is called ``name`` in ``model.physical.name``.

        The class is a ``PhysicalModel``, or a plain :class:`Equation`, of which
        :func:`hybrid_pde.models.physical.physical_model.physical_model_class` makes one.

        Raises:
            TypeError: if the class is neither.
        """
        from hybrid_pde.models.physical.equation import Equation

        def register(given: Class) -> Class:
            if not issubclass(given, Equation):
                raise TypeError(
                    f"{given.__name__}: registered as the equation {name!r}; it must be a subclass "
                    "of PhysicalModel or Equation"
                )
            cls._physical[name] = given
            return given

        return register

    @classmethod
    def register_synthetic(cls, name: str) -> Callable[[Class], Class]:
        """Class decorator: the surrogate is called ``name`` in ``model.synthetic.name``.

        The class is a ``SyntheticModel``, or a plain ``torch.nn.Module`` that becomes the network
        of one, see :func:`hybrid_pde.models.synthetic.user_network.surrogate_of`.

        Raises:
            TypeError: if the class is neither.
        """

        def register(given: Class) -> Class:
            # by name, like the models themselves: an equation's code has no surrogate's in it
            surrogate_of = importlib.import_module(_USER_NETWORK).surrogate_of
            cls._synthetic[name] = surrogate_of(given)
            return given

        return register

    @classmethod
    def physical_names(cls) -> list[str]:
        """Names of all equations that can be used."""
        return sorted({*cls._physical, *equation_classes()})

    @classmethod
    def synthetic_names(cls) -> list[str]:
        """Names of all surrogates that can be used."""
        return sorted({*cls._synthetic, *architecture_options()})

    def physical_class(self) -> type["PhysicalModel"]:
        """The class of the model that ``model.physical`` names.

        Raises:
            ConfigError: if the experiment has no physical model, or an unknown one.
        """
        from hybrid_pde.models.physical.physical_model import physical_model_class

        section = self.experiment.model.physical
        if section is None:
            raise ConfigError("model.physical: missing; it names the equation")
        self._import_user_module(section.module, "model.physical.module")
        known: dict[str, type[Equation]] = {**equation_classes(), **self._physical}
        if section.name not in known:
            raise ConfigError(f"model.physical.name: {suggest(section.name, sorted(known))}")
        return physical_model_class(known[section.name])

    def get_physical_model(self) -> "PhysicalModel":
        """The physical model with its learnable parameters at their initial guesses."""
        return self.physical_class()(self.experiment)

    def synthetic_class(self) -> type["SyntheticModel"]:
        """The class of the model that ``model.synthetic`` names.

        Raises:
            ConfigError: if the experiment has no synthetic model, or an unknown one.
        """
        section = self.experiment.model.synthetic
        if section is None:
            raise ConfigError("model.synthetic: missing; it names the surrogate's architecture")
        self._import_user_module(section.module, "model.synthetic.module")
        return self.registered_synthetic(section.name)

    @classmethod
    def registered_synthetic(cls, name: str) -> type["SyntheticModel"]:
        """The surrogate of that name, without importing a file of the user.

        Raises:
            ConfigError: if it is neither built in nor registered by a module imported before.
        """
        if name not in cls.synthetic_names():
            raise ConfigError(f"model.synthetic.name: {suggest(name, cls.synthetic_names())}")
        if name in cls._synthetic:
            return cls._synthetic[name]
        options, module = architecture_options()[name], architecture_module(name)
        for each in classes_in(module):
            if getattr(each, "options_class", None) is options:
                return each
        raise ConfigError(
            f"model.synthetic.name: {name}: {module} has no class with options_class = "
            f"{options.__name__}"
        )

    def get_synthetic_model(self, grid: "Grid | None" = None) -> "SyntheticModel":
        """The surrogate with weights drawn from ``run_params.seed``.

        Args:
            grid: Grid of the data, which gives the number of axes and the padding. Without one
                the axes follow from ``architecture.spatial_dims``, else from the widest vector
                among the outputs (two for scalars), and every axis is periodic.
        """
        section = self.experiment.model.synthetic
        model_class = self.synthetic_class()
        assert section is not None
        if grid is not None:
            dims = len(grid.axes)
            model = model_class(self.experiment, spatial_dims=dims, boundary=grid.boundary)
            model.spacing = grid.spacing
            return model
        widest = max(section.output_specs.values())
        dims = int(section.architecture.get("spatial_dims", widest if widest > 1 else 2))
        return model_class(
            self.experiment, spatial_dims=dims, boundary=(("periodic", "periodic"),) * dims
        )

    def _import_user_module(self, module: str | None, key: str) -> None:
        if module is not None:
            import_user_file(Path(self.experiment.project_root) / module, key)


def import_user_file(path: Path, key: str) -> None:
    """Run a Python file of the user, once, which registers models of its own.

    Args:
        path: The file.
        key: Where it is named, for messages.

    Raises:
        ConfigError: if there is no such file, or it fails.
    """
    if not path.is_file():
        raise ConfigError(f"{key}: no file {str(path)!r}; it is the path of a Python file")
    name = f"{USER_MODULE}{path.stem}"
    if getattr(sys.modules.get(name), "__file__", None) == str(path):
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{key}: {str(path)!r}: no Python file; its name ends in .py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:  # the file is the user's, and may fail in any way
        del sys.modules[name]
        kind = type(error).__name__
        raise ConfigError(f"{key}: {path}: cannot be imported: {kind}: {error}") from error
