"""The command line: `expunge demo | forget | inspect | methods | version`.

Exit codes: 0 done, 1 our fault, 2 unusable input, 130 interrupted.
"""

from expunge.cli.app import main

__all__ = ["main"]
