"""`expunge zero-shot MODEL --classes FILE --out DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli._console import errors, output


def zero_shot(
    model: Annotated[str, typer.Argument(help="A CLIPModel or SiglipModel: a directory or a hub id.")],
    classes: Annotated[
        Path, typer.Option(help="A text file: one class name a line; or the name, a tab and the words to read for it.")
    ],
    out: Annotated[Path, typer.Option(help="A new or empty folder for the classifier.")],
    template: Annotated[
        list[str] | None,
        typer.Option(help="A sentence with {} where the words go; may be repeated. By default: a photo of a {}."),
    ] = None,
) -> None:
    """Make a classifier of a CLIP or SigLIP and class names; every other command takes it.

    Example: expunge zero-shot openai/clip-vit-large-patch14 --classes names.txt --out my-model/

    --out receives the image model with a row a class, made by the text model from the sentences. The text model itself
    is not in it: no request changes it, and whoever has it makes a row anew.
    """
    from expunge.durable import whole_folder
    from expunge.runs import check_free, writing
    from expunge.vision import TEMPLATES, load_zero_shot, read_classes

    check_free(out)
    templates = tuple(template) if template else TEMPLATES
    words = read_classes(classes)
    with errors.status("reading words"):
        made = load_zero_shot(model, words, templates=templates)
        with writing(out), whole_folder(out) as partial:
            made.save(partial)
    output.print(
        f"classes: {len(made.classes)}, of {len(templates)} sentences each\nblocks: {len(made.blocks)}\n"
        f"sha256: {made.digest()}\nmodel: {out}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
