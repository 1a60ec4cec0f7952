"""Removal of temporary files left by killed processes."""

import os
import subprocess
import sys
from pathlib import Path

from hybrid_pde.data.atomic import remove_abandoned_files, temporary_sibling

WRITE = (
    "import sys; from pathlib import Path; from hybrid_pde.data.atomic import temporary_sibling; "
)
WRITE += "temporary_sibling(Path(sys.argv[1])).touch()"


def test_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "augmented").mkdir()
    target = tmp_path / "augmented" / "sim_000001.safetensors"
    subprocess.run([sys.executable, "-c", WRITE, str(target)], check=True)
    (left,) = target.parent.iterdir()
    assert left.name.startswith(".sim_000001.safetensors.")

    being_written = temporary_sibling(target)  # written by this process
    elsewhere = target.with_name(".sim_000002.safetensors.node.domain-17.0a1b2c3d.tmp")
    old = target.with_name(".sim_000003.safetensors.node.domain-17.0a1b2c3d.tmp")
    mine = target.with_name(".notes.tmp")
    for path in (being_written, elsewhere, old, mine, target):
        path.touch()
    os.utime(old, (0, 0))
    folder = target.with_name(".folder.node.domain-17.0a1b2c3d.tmp")
    folder.mkdir()
    os.utime(folder, (0, 0))
    assert remove_abandoned_files(tmp_path) == 2
    assert sorted(target.parent.iterdir()) == sorted(
        [being_written, elsewhere, folder, mine, target]
    )
