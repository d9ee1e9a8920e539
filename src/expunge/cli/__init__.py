"""The command line: `expunge demo | forget | measure | bench | inspect | methods | version`.

Exit codes: 0 done, 1 our fault, 2 unusable input, 3 judged and not erased, 130 interrupted.
"""

from expunge.cli.app import main

__all__ = ["main"]
