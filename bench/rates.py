"""The benchmark's arithmetic."""

import statistics
from collections.abc import Iterable, Mapping, Sequence


def decode_rate(times: Sequence[Sequence[float]]) -> float:
    """Tokens per second of streams that run together, while all of them do.

    Args:
        times: for each stream, when each of its tokens came, in seconds.

    The window opens with the first token of the last stream to begin and closes with the last token of the first to
    end. Tokens of one step arrive a moment apart, so both edges lie a quarter of a step later. Raises ValueError for
    streams that never ran together for at least one step.
    """
    if not times or not all(times):
        raise ValueError("a stream gave no tokens")
    start = max(stream[0] for stream in times)
    end = min(stream[-1] for stream in times)
    latest = max(times, key=lambda stream: stream[0])
    steps = sum(start < moment <= end for moment in latest)
    if end <= start or not steps:
        raise ValueError("the streams never ran at the same time")
    late = 0.25 * (end - start) / steps
    tokens = sum(start + late < moment <= end + late for stream in times for moment in stream)
    return tokens / (end - start)


def median(values: Iterable[float | None]) -> float | None:
    """Median of the values that are there; None when none is."""
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def median_ratio(ours: Mapping[int, float | None], theirs: Mapping[int, float | None]) -> float | None:
    """Median over rounds of ours / theirs, each from the same round; None when no round has both.

    The machine's speed drifts from minute to minute; within a round it hardly does.
    """
    ratios = []
    for number in ours.keys() & theirs.keys():
        mine, other = ours[number], theirs[number]
        if mine is not None and other:
            ratios.append(mine / other)
    return median(ratios)


def overhead_percent(alone: Mapping[int, float | None], through: Mapping[int, float | None]) -> float | None:
    """By how many percent of `alone` is `through` slower; median over rounds. Negative when it was faster."""
    ratio = median_ratio(through, alone)
    return None if ratio is None else 100 * (1 - ratio)
