"""One measure a file; found through the entry points `expunge.measures`."""
