"""`python -m expunge` is the `expunge` command."""

from expunge.cli import main

main()
