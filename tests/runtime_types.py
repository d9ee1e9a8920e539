"""The checker that stands behind every annotation of the package while tests run (see conftest.py)."""

from typing import Self

from beartype import BeartypeConf, FrozenDict, beartype

# jaxtyping hands over one function after another, but beartype understands `Self` only where it sees the
# whole class. So what `Self` promises is left to the static checker.
check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: object})))
