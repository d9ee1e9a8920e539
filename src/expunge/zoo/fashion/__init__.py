"""Fashion-MNIST and a small vision transformer that was trained on it."""
