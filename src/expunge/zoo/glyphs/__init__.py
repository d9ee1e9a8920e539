"""100 characters in many typefaces, and a small vision transformer that reads them."""
