"""All measures of a rollout, and their summary for a predictor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.evaluation.measures.band_errors import BandErrors, band_errors, summarize_bands
from hybrid_pde.evaluation.measures.conserved import (
    Drift,
    conserved_quantities,
    drift,
    summarize_drift,
)
from hybrid_pde.evaluation.measures.correlation import (
    Correlation,
    correlation,
    summarize_correlation,
)
from hybrid_pde.evaluation.measures.metrics import (
    MEASURES,
    RolloutErrors,
    rollout_errors,
    summarize,
)
from hybrid_pde.evaluation.measures.spectra import Spectrum
from hybrid_pde.evaluation.rollout_batches import HeldOut

SPREAD_MEASURES = (*MEASURES, "correlation_time")


@dataclass(frozen=True)
class Scores:
    """All measures of one rollout."""

    errors: RolloutErrors
    bands: BandErrors
    correlation: Correlation
    drift: Drift


ByReplicate = Sequence[Sequence[Scores]]  # scores of every simulation, for each replicate
Conserved = Mapping[str, Mapping[str, float]]


def score(each: HeldOut, rollout: Mapping[str, NDArray[Any]], spectrum: Spectrum) -> Scores:
    """Compare a rollout ``{field: [T, C, *space]}`` with the truth.

    Args:
        each: The simulation and its truth, initial state first.
        rollout: The prediction, without the initial state.
        spectrum: Spectrum of the simulation's grid.
    """
    truth = each.start.truth
    targets = {key: truth[key][1:] for key in rollout}
    return Scores(
        rollout_errors(rollout, targets, each.index),
        band_errors(rollout, targets, spectrum),
        correlation(rollout, targets, each.simulation.dt),
        drift(rollout, truth, each.simulation.grid),
    )


def conserved_by_truth(scores: Mapping[str, ByReplicate]) -> dict[str, dict[str, float]]:
    """Quantities conserved by all simulations, with their largest drift."""
    return conserved_quantities([each.drift for each in scores["persistence"][0]])


def summarize_scores(replicates: ByReplicate, conserved: Conserved) -> dict[str, Any]:
    """Summarize a predictor as JSON types: means over simulations and replicates.

    Args:
        replicates: Scores of every simulation, for each replicate.
        conserved: Quantities conserved by the truth.

    Returns:
        The result of :func:`hybrid_pde.evaluation.measures.metrics.summarize` with spectral errors,
        correlation and conserved quantities; for several replicates also ``replicates``: mean,
        standard deviation and values of the errors, and the standard deviation by lead time.
    """
    summary = _summary([each for scores in replicates for each in scores], conserved)
    if len(replicates) > 1:
        single = [_summary(scores, conserved) for scores in replicates]
        summary |= {key: single[0][key] for key in ("skipped", "missing")}
        summary["replicates"] = _spread(single)
    return summary


def end_spectra(
    scores: Mapping[str, ByReplicate], wavenumbers: NDArray[np.float64]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Mean energy spectra at the last lead time, by field, for the truth and the predictors."""
    bands = {
        label: [each.bands for part in parts for each in part] for label, parts in scores.items()
    }
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name in bands["persistence"][0].truth:
        lines = {"truth": [each.truth[name] for each in bands["persistence"]]}
        lines |= {
            label: [each.prediction[name] for each in rollouts]
            for label, rollouts in bands.items()
            if name in rollouts[0].prediction
        }
        means = {label: np.mean(energies, axis=0) for label, energies in lines.items()}
        finite = {label: mean for label, mean in means.items() if np.isfinite(mean).all()}
        found[name] = {"wavenumber": wavenumbers, **finite}
    return found


def _summary(scores: Sequence[Scores], conserved: Conserved) -> dict[str, Any]:
    summary = summarize([each.errors for each in scores])
    fields = scores[0].errors.fields
    for part in (
        summarize_bands([each.bands for each in scores], fields),
        summarize_correlation([each.correlation for each in scores], fields),
        summarize_drift([each.drift for each in scores], conserved),
    ):
        _merge(summary, part)
    return summary


def _merge(summary: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Merge nested mappings recursively."""
    for key, value in part.items():
        if isinstance(summary.get(key), dict):
            _merge(summary[key], value)
        else:
            summary[key] = value


def _spread(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, standard deviation (of a sample, n − 1) and values of each measure."""
    found: dict[str, Any] = {"count": len(summaries)}
    for measure in SPREAD_MEASURES:
        values = [summary[measure] for summary in summaries]
        mean, deviation = _moments(values)
        found[measure] = {"mean": mean, "std": deviation, "values": values}
    columns = zip(*(summary["by_lead_time"]["vrmse"] for summary in summaries), strict=True)
    found["by_lead_time"] = {"vrmse": {"std": [_moments(values)[1] for values in columns]}}
    return found


def _moments(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None, None
    return float(np.mean(present)), float(np.std(present, ddof=1))
