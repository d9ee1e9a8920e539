"""What many methods check of their settings."""

from expunge.errors import MethodError


def refuse_negative(method: object, *names: str) -> None:
    """Makes sure that the named settings are 0 or more.

    Raises:
        MethodError: One of them is negative.
    """
    for name in names:
        if getattr(method, name) < 0:
            raise MethodError(f"{name} must be 0 or more, got {getattr(method, name)}")


def refuse_outside_fractions(method: object, *names: str) -> None:
    """Makes sure that the named settings are fractions of a whole.

    Raises:
        MethodError: One of them is below 0 or above 1.
    """
    for name in names:
        if not 0 <= getattr(method, name) <= 1:
            raise MethodError(f"{name} is a fraction, 0 to 1, got {getattr(method, name)}")
