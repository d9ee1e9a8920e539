"""Formats of numbers and names in the report."""

from collections.abc import Sequence


def percent(value: float) -> str:
    """A rate with one decimal and no sign: 96.0."""
    return f"{value:.1f}"


def points(value: float) -> str:
    """A difference in percentage points, with a true minus sign: 96.0, −1.2."""
    return f"{value:.1f}".replace("-", "−")


def span(low: float, high: float) -> str:
    """An interval: 0.0–13.3."""
    return f"{low:.1f}–{high:.1f}"


def count(value: int) -> str:
    """A whole number with thousands marked: 98,304."""
    return f"{value:,}"


def plural(value: int, one: str, many: str) -> str:
    """A number and its noun: 1 class, 20 classes."""
    return f"{count(value)} {one if value == 1 else many}"


def size(n_bytes: int) -> str:
    """A file size in binary units: 512 B, 384 KiB, 1.5 MiB."""
    value, units = float(n_bytes), ["B", "KiB", "MiB", "GiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    digits = 1 if units[0] != "B" and value < 100 else 0
    return f"{value:.{digits}f} {units[0]}"


def duration(seconds: float) -> str:
    """A time in the units a person would use: 41.0 s, 3 min 12 s, 2 h 05 min."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def short_names(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Dotted names without the dotted beginning they share: what they share, and what is left of each."""
    parts = [name.split(".") for name in names]
    shared = 0
    while parts and all(len(p) > shared + 1 and p[shared] == parts[0][shared] for p in parts):
        shared += 1
    if len(names) < 2:
        shared = 0
    return ".".join(parts[0][:shared]) if parts else "", tuple(".".join(p[shared:]) for p in parts)
