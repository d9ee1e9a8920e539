"""One suite a file; found through the entry points `expunge.suites`."""
