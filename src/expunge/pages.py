"""HTML and SVG from the templates that rooms carry: files that load nothing from outside and run no script."""

from base64 import b64encode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

JPEG_SIGNATURE = b"\xff\xd8\xff"


def page_environment(*packages: str) -> Environment:
    """The templates of some packages; of two with one name, that of the package named first.

    Every value from outside is escaped, and one that is missing is an error.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(image: bytes) -> str:
    """A PNG or JPEG as the address of an image that lies in the page itself."""
    kind = "jpeg" if image.startswith(JPEG_SIGNATURE) else "png"
    return f"data:image/{kind};base64," + b64encode(image).decode("ascii")
