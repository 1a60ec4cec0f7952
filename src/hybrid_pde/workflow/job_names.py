"""Check of all names and paths that reach jobs, before Snakemake plans anything.

Snakemake and the executors of clusters put them into shell commands, not always quoted for every
shell that reads them.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from hybrid_pde.config.safe_names import FILE_SIGNS, OWN_FOLDER_SIGNS, check_path
from hybrid_pde.config.schema import Experiment, GivenStates


def check_own_paths(*paths: Path) -> None:
    """Check the paths of the project, the working directory, and files on the command line.

    Raises:
        ConfigError: if one is not allowed.
    """
    for path in paths:
        check_path(
            "path",
            str(path),
            "rename the file or folder, or work in another folder",
            signs=OWN_FOLDER_SIGNS,
            file_signs=OWN_FOLDER_SIGNS,
        )


def check_names(experiment: Experiment, source: str) -> None:
    """Check the folders and files that an experiment names.

    Args:
        experiment: The experiment.
        source: Its file, for the message.

    Raises:
        ConfigError: with the file, the key and the character.
    """
    data, condition = experiment.data, experiment.augmentation.initial_condition
    for key, folder in (
        ("data.data_dir, data.dset_name", experiment.raw_dir),
        ("data.cache_dir, data.dset_name", experiment.cache_root / data.dset_name),
    ):
        check_path(f"{source}: {key}", os.path.normpath(folder), "rename the folder")
    files = {}
    if data.observations is not None and data.observations.sensors is not None:
        files["data.observations.sensors"] = data.observations.sensors
    if isinstance(condition, GivenStates):
        files["augmentation.initial_condition.path"] = condition.path
    for key, name in files.items():
        path = os.path.normpath(Path(experiment.project_root) / name)
        check_path(f"{source}: {key}", path, "rename the file", file_signs=FILE_SIGNS)


def check_raw_files(files: Iterable[Path], source: str) -> None:
    """Check the names of the raw files.

    Args:
        files: The raw files.
        source: File of the experiment, for the message.

    Raises:
        ConfigError: naming the first file that must be renamed.
    """
    for file in files:
        check_path(f"{source}: raw file", str(file), "rename the file", file_signs=FILE_SIGNS)
