"""Split of simulations into training, validation and test."""

import numpy as np

HELD_OUT = 0.15  # share of the simulations in validation, and as many in test


def split(count: int) -> tuple[list[int], list[int], list[int]]:
    """Simulations for training, validation and test, counted from 0.

    Held-out ones are spread evenly, since neighbours may have been made with similar parameters.
    One simulation is for training; of two, one is for test.
    """
    everyone = list(range(count))
    if count < 3:
        return everyone[:1], [], everyone[1:]
    each = max(1, round(HELD_OUT * count))
    places = np.linspace(0, count - 1, 4 * each + 1).round().astype(int)
    # of four parts of an interval, the second is for validation and the last for test
    validation = sorted({int(place) for place in places[1::4]})
    test = sorted({int(place) for place in places[3::4]} - {*validation})
    held_out = {*validation, *test}
    return [number for number in everyone if number not in held_out], validation, test
