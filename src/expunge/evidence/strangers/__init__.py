"""Can a forgotten class be told from classes that the model never saw? Evidence without an oracle."""
