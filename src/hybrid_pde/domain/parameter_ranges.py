"""Values drawn from a range."""

from math import exp, log

# A range with a larger ratio of its ends spans orders of magnitude: it is drawn in the logarithm.
LOGARITHMIC_FROM = 10.0


def value_within(lower: float, upper: float, share: float) -> float:
    """The value at a share of a range, from 0 at its lower end to 1 at its upper end.

    Shares are of the logarithm if both ends are positive and a factor of 10 or more apart.
    """
    if lower > 0 and upper / lower >= LOGARITHMIC_FROM:
        return exp(log(lower) + share * (log(upper) - log(lower)))
    return lower + share * (upper - lower)
