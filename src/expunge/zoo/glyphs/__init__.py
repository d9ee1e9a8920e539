"""100 characters in many typefaces, and a small vision transformer that reads them."""

from expunge.zoo.glyphs.data import CLASSES, glyph_strangers, glyphs

__all__ = [
    "CLASSES",
    "glyph_strangers",
    "glyphs",
]
