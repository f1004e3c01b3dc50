"""The tables."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from bench.http_rounds import HttpResults
from bench.rounds import Results, Row, T

_NONE = "-"


def number(value: float | None) -> str:
    """Three significant digits, plainly written; "-" for what was not measured."""
    if value is None:
        return _NONE
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(ratio: float | None) -> str:
    """A ratio as in "1.27×"."""
    return _NONE if ratio is None else f"{ratio:.2f}×"


def rounds_table(title: str, results: Results[T], names: Sequence[str], rows: Sequence[Row[T]]) -> Table:
    """Medians of every contender; behind the others', how many times as fast the first was in the same round."""
    first, *others = names
    table = Table(title=title, caption=_caption(results.absent.items()))
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for label, value, compared in rows:
        cells = [number(results.median(first, value))]
        for other in others:
            text = number(results.median(other, value))
            ratio = results.ratio(first, other, value) if compared else None
            cells.append(text if ratio is None else f"{text}  {times(ratio)}")
        table.add_row(label, *cells)
    return table


def http_table(title: str, results: HttpResults, names: Sequence[str]) -> Table:
    """The same for the servers: tokens per second of all streams together, and how long the first token took."""
    first, *others = names
    table = Table(title=title, caption=_caption(results.absent.items()))
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for streams in results.streams:
        cells = [number(results.rate(first, streams))]
        for other in others:
            text = number(results.rate(other, streams))
            cells.append(f"{text}  {times(results.ratio(first, other, streams))}")
        table.add_row(f"{streams} streams (tokens/s)", *cells)
        waits = [number(results.first_token(name, streams)) for name in names]
        table.add_row("  first token, median stream (s)", *waits)
    return table


def overhead_table(title: str, overheads: Iterable[tuple[str, float | None, float | None, float | None]]) -> Table:
    """What HTTP costs: model, tokens per second of the engine alone and through HTTP, percent."""
    table = Table(title=title)
    for heading in ("", "engine alone (tokens/s)", "through HTTP (tokens/s)", "HTTP costs"):
        table.add_column(heading, justify="right" if heading else "left")
    for model, alone, through, percent in overheads:
        table.add_row(model, number(alone), number(through), _NONE if percent is None else f"{percent:.1f} %")
    return table


def spread(values: Iterable[float]) -> str:
    """The median and, in brackets, least and most, as in "12 (11 to 14)"; "-" for no values."""
    found = list(values)
    if not found:
        return _NONE
    return f"{number(statistics.median(found))} ({number(min(found))} to {number(max(found))})"


def spread_table(title: str, headings: Sequence[str], absent: Mapping[str, str]) -> Table:
    """A table with no rows yet: the first column says whose they are, the others have values."""
    table = Table(title=title, caption=_caption(absent.items()))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    return table


def _caption(absent: Iterable[tuple[str, str]]) -> str | None:
    return "\n".join(f"{name}: not measured: {why}" for name, why in absent) or None
