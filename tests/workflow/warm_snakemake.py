"""A server process with Snakemake and the project imported, which forks for every call.

``python -m tests.workflow.warm_snakemake`` reads one call a line from standard input, as JSON with
``arguments``, ``folder``, ``environment`` and the file ``output``, and answers each with an exit
code. A call is equivalent to ``python -m snakemake`` without the three seconds for imports and
digests of the code. Tests that edit the code need a new process.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import snakemake.api
import snakemake.cli

from hybrid_pde.workflow.plan import Plan
from hybrid_pde.workflow.requested_experiments import RequestedExperiments  # noqa: F401
from tests.workflow.tiny import ROOT, write_experiment


def main() -> None:
    """Answer calls until the end of standard input."""
    folder = Path(mkdtemp(prefix="warm_stages_"))
    stages: subprocess.Popen[bytes] | None = None
    digest_code()
    for line in sys.stdin:
        call = json.loads(line)
        if stages is None and not {"--dry-run", "--unlock"} & {*call["arguments"]}:
            stages = subprocess.Popen(
                [sys.executable, "-m", "tests.workflow.warm_stages", str(folder)],
                stdin=subprocess.PIPE,
            )
        child = os.fork()
        if not child:
            become(call)
            use_warm_stages(folder / "python")
            snakemake.cli.main()
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    if stages is not None:
        stages.communicate()
    shutil.rmtree(folder)


def use_warm_stages(program: Path) -> None:
    """Start stages in their warm process, once that is there."""
    if program.exists():
        sys.executable = str(program)


def digest_code() -> None:
    """Compute the digests of the project's files, which are cached in the process."""
    with TemporaryDirectory() as folder:
        plan = Plan(write_experiment(Path(folder) / "experiment.yaml"), claim=False)
        for script in (ROOT / "workflow/scripts").glob("[!_]*.py"):
            plan.code(script.stem)


def become(call: dict[str, Any]) -> None:
    """Turn this process into the requested call of Snakemake."""
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    output = os.open(call["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    sys.path[0] = call["folder"]
    main_module = find_spec("snakemake.__main__")
    assert main_module is not None
    sys.argv = [str(main_module.origin), *call["arguments"]]


if __name__ == "__main__":
    main()
