"""Last lines of a run: warnings of all stages and cycles, or what the failed stage said."""

from pathlib import Path

from hybrid_pde.result_warnings import inherited, of_earlier_cycle, stage_of
from hybrid_pde.workflow.end_of_run import failures


def test_warnings_of_an_earlier_cycle_say_so_and_those_about_the_data_are_not_repeated() -> None:
    first = [*inherited("cache", ["few values"]), "its loss is near 1"]
    second = of_earlier_cycle("train_physical", first)
    assert second == [
        "cache: few values",
        "train_physical: in an earlier cycle: its loss is near 1",
    ]
    assert of_earlier_cycle("train_physical", second) == second
    assert stage_of(second[1], "evaluate")[0] == "train_physical"


def test_the_sentence_of_the_failed_stage_is_found_in_its_log(tmp_path: Path) -> None:
    job, own = tmp_path / "cache.log", tmp_path / "snakemake.log"
    job.write_text(
        "2026-01-01 00:00:00,000 ERROR data: simulation 0: bad\n"
        "2026-01-01 00:00:01,000 ERROR stage: raw/a.nc: no times;\nadd them\n"
        "2026-01-01 00:00:02,000 DEBUG stage: cause\nTraceback\n"
    )
    own.write_text(f"Error in rule cache:\n    log: {job} (check log file(s) for error details)\n")
    assert failures([own, tmp_path / "absent.log"]) == ["raw/a.nc: no times;\nadd them"]
