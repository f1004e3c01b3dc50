"""Sizes and moments as people read them."""

from datetime import datetime


def size_text(size: float) -> str:
    """Bytes as people read them, in powers of ten: "92.9 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def iso_text(moment: datetime) -> str:
    """A moment in UTC as ISO 8601 to the second: "2026-11-21T10:47:03Z"."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def time_text(moment: datetime) -> str:
    """A moment in UTC to the minute: "2026-11-21 10:47Z"."""
    return f"{moment:%Y-%m-%d %H:%M}Z"
