"""Draws the cut-outs and the places of `zoo:scenes` from two packages: `python scripts/scenes_sheet.py STAMPS HDRI`.

STAMPS is the folder `usr/share/tuxpaint/stamps` of Debian's package tuxpaint-stamps-default 2022.06.04, HDRI the folder
`hdri` of the npm package @pmndrs/assets 1.7.0. Reading the latter needs `pip install OpenEXR`. What is written lies in
`src/expunge/zoo/scenes/sheet`; its README says where each picture comes from and under which licence.

The photos were chosen by eye: no drawings, one class a row, at least three photos each. Classes that a linear probe on
the frozen backbone confuses (cattle with deer, balls with oranges) were merged or left out before any detector was
trained; that choice saw all photos, those for testing too. Which photo is for training, validation or test follows from
a hash of its file name, not from a choice.
"""

import argparse
import base64
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

SHEET = Path(__file__).parent.parent / "src" / "expunge" / "zoo" / "scenes" / "sheet"
SIDE, COLUMNS = 128, 12
"""Longest side of a kept cut-out in pixels, and how many stand in one row of the sheet."""

BIRDS, BOVINES, COINS = "animals/birds", "animals/mammals/bovines", "symbols/money"
PHOTOS: dict[str, dict[str, str]] = {
    "apple": {"food/fruit": "apple_fuji apple_granny_smith apple_green apple_red apple_sierra_beauty"},
    "big-cat": {"animals/mammals/cats": "lion lion-2 tiger tiger_sumatran"},
    "car": {"vehicles/auto": "sedan sportscar2 truck", "vehicles/race": "indycar"},
    "citrus": {"food/fruit": "lemon mandarine orange orange_seville"},
    "fish": {
        "animals/fish": "bluegroper butterflyfish clownfish coraltrout dolphinfish moonwrasse stripedfish",
    },
    "golden-coin": {
        f"{COINS}/euro/coins": "001 002 005 010 020 050",
        f"{COINS}/canadian/coins": "001penny 100loonie",
        f"{COINS}/us/coins": "001penny 100sacagawea",
        f"{COINS}/japanese": "yen005 yen010",
    },
    "gravestone": {"seasonal/halloween": "grave-a grave-b grave-d grave-e grave-f grave-g grave-h grave-i grave-j"},
    "guitar": {"hobbies/music/string": "guitar2 guitar_classical guitar_electric"},
    "hoofed-animal": {
        BOVINES: "bison bull cow cow_white goat gnu-baby gnu-baby-stand gnu-sitting gnu-stand indian_blackbuck "
        "mountaingoat ram sheep sheep_lamb yak zebu",
        "animals/mammals/camel": "camel dromedary",
        "animals/mammals/deer": "caribou deer doe wapiti",
        "animals/mammals/equines": "donkey donkey_eating horse zebra",
    },
    "mushroom": {"plants/mushrooms": "cep cep-1 cep-2", "food/vegetables": "mushroom"},
    "poultry": {BIRDS: "chicken_profile guineafowl hen rooster turkey"},
    "purple-flower": {"plants/flowers": "flower1 flower4 flower6 flower8 flower9 iris pigface"},
    "rabbit": {"animals/mammals": "rabbit_little", "animals/mammals/rodents": "rabbit rabbit-2"},
    "red-flower": {
        "plants/flowers": "anemone_red chemparathi flower10 red-gazania rose",
        "plants/flowers/plastic": "chuvanna_plastic_poo",
    },
    "road-sign": {"town/roadsigns": "crossroads no_uturn stop t-junction xing_ped xing_school yield"},
    "silver-coin": {
        f"{COINS}/canadian/coins": "005nickel 010dime",
        f"{COINS}/us/coins": "005nickel 010dime 025quarter 050kennedy-halfdollar",
        f"{COINS}/japanese": "yen001 yen100",
    },
    "tool": {"household/tools": "hammer mallet_metal plyers saw wrench wrench_adjustable wrench_plumbers"},
    "tree": {
        "plants/trees": "birch holm_oak liberia-palm tree336",
        "seasonal/christmas": "Christmas_Tree_photo",
    },
    "tropical-bird": {BIRDS: "adelaide-rosella quetzal rainbow-lorikeet tucan"},
    "truck": {
        "military/vehicles": "bradley infantry-stryker",
        "vehicles": "garbagetruck",
        "vehicles/construction": "dumper",
        "vehicles/emergency": "firetruck",
        "vehicles/masstransit": "green_korean_bus",
    },
    "wild-bird": {BIRDS: "blackbird crow cuckoo drake duck lark magpie pigeon seagull silver-gull"},
    "yellow-flower": {"plants/flowers": "daffodil flower2 flower3 flower5 marigold yellow-flower"},
}

PLACES = {
    "train": "bridge city dawn esplanade lobby sky studio sunrise sunset workshop",
    "validation": "hall lab night",
    "test": "apartment park venice warehouse",
}
"""Panoramas of a split; `forest` is left out, for it is full of what one class is."""

GPL = "GPL-2.0-or-later"
UNNAMED = ("Tux Paint's contributors", GPL)
CREDITS: dict[str, tuple[str, str]] = {
    "symbols/money/euro": ("Jacques Chion", GPL),
    "symbols/money/canadian": ("Ed Montgomery", GPL),
    "symbols/money/japanese": ("Ed Montgomery", GPL),
    "symbols/money/us": ("GOVIA Project, Justin Zeigler", GPL),
    "animals/fish": ("John O'Sullivan", GPL),
    "household/tools": ("Bill Kendrick, at Jen and Ed Collins'", GPL),
    "hobbies/music/string/guitar2": ("boobaloo, Open Clip Art Library", "public domain"),
    "hobbies/music/string/guitar_classical": ("Martin Möller", "CC-BY-SA-2.0-DE"),
    "hobbies/music/string/guitar_electric": ("André Karwath", "CC-BY-SA-2.5"),
    "seasonal/christmas/Christmas_Tree_photo": ("Jorge Barrios", "public domain"),
    "vehicles/emergency/firetruck": ("Aaron M. Lang", "CC-BY-2.5"),
    "vehicles/masstransit/green_korean_bus": ("Nesnad, Wikimedia Commons", "CC-BY-SA, version not told"),
    "plants/flowers/chemparathi": ("VHSS Irimpanam via Vimal Joseph", "CC-BY-SA-3.0"),
    "plants/flowers/plastic/chuvanna": ("VHSS Irimpanam via Vimal Joseph", "CC-BY-SA-3.0"),
}
"""What upstream's list of contributors tells of a file, by the start of its path."""

FORD, GOERNER, CHILDSPLAY = "Caroline Ford", "Chris Goerner", "Childsplay, Stas Zytkiewicz"
BY_NAME = {
    FORD: "drake hen chicken_profile cow_white donkey sheep sheep_lamb rabbit_little garbagetruck daffodil",
    GOERNER: "lemon mandarine yellow-flower pigface adelaide-rosella magpie rainbow-lorikeet silver-gull crossroads "
    "t-junction",
    CHILDSPLAY: "bison blackbird bull camel caribou cow crow cuckoo deer doe dromedary duck goat horse lark lion "
    "mountaingoat quetzal rabbit ram rooster seagull tiger tucan turkey yak zebra",
}


def splits(files: list[str]) -> dict[str, str]:
    """The split of each file: about a quarter to test, a sixth to validate, at least one of each; by a hash."""
    order = sorted(files, key=lambda file: sha256(file.encode()).hexdigest())
    test, validation = max(1, round(len(order) / 4)), max(1, round(len(order) / 6))
    names = ["test"] * test + ["validation"] * validation + ["train"] * (len(order) - test - validation)
    return dict(zip(order, names, strict=True))


def credit(file: str) -> tuple[str, str]:
    """Who made a file and its licence, as upstream's list of contributors tells them."""
    stem = Path(file).stem
    found = [told for start, told in CREDITS.items() if file.startswith(start)]
    found += [(who, GPL) for who, names in BY_NAME.items() if stem in names.split()]
    return found[0] if found else UNNAMED


def cutout(path: Path) -> Image.Image:
    """A photo without its empty border, at most SIDE pixels long."""
    with Image.open(path) as image:
        picture = image.convert("RGBA")
    box = picture.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    picture = picture.crop(box)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture


def write_cutouts(stamps: Path) -> int:
    """Writes the sheet of cut-outs and its index; returns how many there are."""
    listed, pictures = [], []
    for name, folders in PHOTOS.items():
        files = [f"{folder}/{stem}.png" for folder, stems in folders.items() for stem in stems.split()]
        for file, split in sorted(splits(files).items()):
            picture = cutout(stamps / file)
            who, licence = credit(file)
            entry = {"class": name, "split": split, "file": file, "size": list(picture.size)}
            listed.append({**entry, "credit": who, "licence": licence})
            pictures.append(picture)
    sheet = Image.new("RGBA", (COLUMNS * SIDE, -(-len(pictures) // COLUMNS) * SIDE))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % COLUMNS * SIDE, i // COLUMNS * SIDE))
    sheet.save(SHEET / "cutouts.webp", quality=92, alpha_quality=100, method=6)
    _write_json(SHEET / "cutouts.json", {"side": SIDE, "columns": COLUMNS, "cutouts": listed})
    return len(listed)


def panoramas(folder: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Name, split and picture of each place, developed for a screen."""
    for split, names in PLACES.items():
        for name in names.split():
            yield name, split, developed(_light(folder / f"{name}.exr.js"))


def developed(light: np.ndarray) -> Image.Image:
    """Reinhard's tone curve (SIGGRAPH 2002, eq. 4) with a white point of 6, and sRGB's transfer function."""
    key = np.exp(np.log(light.mean(-1) + 1e-4).mean())
    exposed = light * 0.22 / key
    linear = np.clip(exposed * (1 + exposed / 6**2) / (1 + exposed), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray((srgb * 255).round().astype(np.uint8))


def write_places(folder: Path) -> int:
    """Writes the panoramas below each other; returns how many there are."""
    found = list(panoramas(folder))
    width, height = found[0][2].size
    strip = Image.new("RGB", (width, height * len(found)))
    for i, (_, _, picture) in enumerate(found):
        strip.paste(picture, (0, i * height))
    strip.save(SHEET / "places.webp", quality=92, method=6)
    listed = [{"place": name, "split": split} for name, split, _ in found]
    _write_json(SHEET / "places.json", {"size": [width, height], "places": listed})
    return len(found)


def _light(path: Path) -> np.ndarray:
    """Linear light, (height, width, 3); what the file could not hold, the sun's disc, is as bright as can be."""
    import OpenEXR  # needed to build the sheet alone

    encoded = re.search(r"base64,([^']+)'", path.read_text(encoding="ascii"))
    if encoded is None:
        raise ValueError(f"{path} holds no picture in base64")
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(base64.b64decode(encoded.group(1)))
        file.flush()
        channels = OpenEXR.File(file.name).channels()
        pixels = channels["RGB"].pixels if "RGB" in channels else np.stack([channels[c].pixels for c in "RGB"], -1)
    pixels = np.nan_to_num(pixels.astype(np.float32), nan=6e4, posinf=6e4, neginf=6e4)
    broken = (pixels < -0.05).any(-1, keepdims=True)  # the file format rings below zero beside the brightest lights
    return np.clip(np.where(broken, 6e4, pixels), 0, 6e4)


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    text = re.sub(r'(\{"(?:class|place)")', r"\n\1", text)  # one line each: a change of one shows as one
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Draws both from the command line."""
    parser = argparse.ArgumentParser(description="Draw the cut-outs and places of zoo:scenes.")
    parser.add_argument("stamps", type=Path, help="folder usr/share/tuxpaint/stamps of the unpacked Debian package")
    parser.add_argument("hdri", type=Path, help="folder hdri of the unpacked npm package")
    arguments = parser.parse_args()
    SHEET.mkdir(exist_ok=True)
    counts = {"cutouts": write_cutouts(arguments.stamps), "places": write_places(arguments.hdri)}
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
