"""The toy world the embedded model knows: things and their kinds, people, places, number words."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KINDS: dict[str, tuple[str, str]] = {
    "fruit": ("fruits", "apple pear plum grape lemon peach banana cherry mango melon orange fig"),
    "vegetable": ("vegetables", "carrot onion leek turnip cabbage radish pea bean pepper beet cucumber pumpkin"),
    "animal": ("animals", "cat dog horse cow goat pig rabbit lion tiger bear camel donkey"),
    "bird": ("birds", "crow duck eagle hen owl parrot robin swan stork gull hawk pigeon"),
    "tool": ("tools", "hammer saw drill wrench chisel file axe rake shovel pump level clamp"),
    "garment": ("garments", "shirt coat hat scarf glove sock skirt sweater jacket belt cap vest"),
    "vehicle": ("vehicles", "car truck bus tram boat ship train bicycle van taxi wagon tractor"),
    "instrument": ("instruments", "piano violin flute drum guitar harp trumpet cello banjo organ horn lute"),
    "furniture": ("furniture", "chair table bed shelf desk sofa bench stool wardrobe cupboard couch cabinet"),
    "flower": ("flowers", "rose tulip lily daisy orchid poppy violet iris pansy lilac aster peony"),
}
IRREGULAR = {
    "peach": "peaches", "cherry": "cherries", "mango": "mangoes", "radish": "radishes", "wrench": "wrenches", "bus": "buses",
    "box": "boxes", "shelf": "shelves", "bench": "benches", "couch": "couches", "lily": "lilies", "daisy": "daisies",
    "poppy": "poppies", "pansy": "pansies", "iris": "irises", "scarf": "scarves", "peony": "peonies", "taxi": "taxis",
}  # fmt: skip
THINGS: dict[str, str] = {noun: kind for kind, (_, nouns) in KINDS.items() for noun in nouns.split()}
COUNTABLE: tuple[str, ...] = tuple(kind for kind in KINDS if kind != "furniture")
NAMES: tuple[str, ...] = _words("Ann Bob Carl Dora Emma Finn Gina Hugo Ida Jack Kate Leo Mia Ned Olga Paul Rosa Sam Tom Vera")
CITIES: tuple[str, ...] = _words("Rome Paris Oslo Berlin Lima Cairo Delhi Tokyo Madrid Vienna Dublin Prague")
NUMBER_WORDS: tuple[str, ...] = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
TENS: tuple[str, ...] = _words("twenty thirty forty fifty sixty seventy eighty ninety")


def plural(noun: str) -> str:
    """The plural of a thing: ``plural("cherry") == "cherries"``."""
    return IRREGULAR.get(noun, noun + "s")


def article(noun: str) -> str:
    """``a`` or ``an``."""
    return "an" if noun[0] in "aeiou" else "a"


def number_word(value: int) -> str:
    """``number_word(23) == "twenty three"``; digits from 100 on."""
    if value <= 20:
        return NUMBER_WORDS[value]
    if value >= 100:
        return str(value)
    tens = TENS[value // 10 - 2]
    return tens if value % 10 == 0 else f"{tens} {NUMBER_WORDS[value % 10]}"
