"""Methods whose mathematics on detectors is another than on classifiers, and what they are made of."""
