"""The vocabulary: what single words mean, and which words say nothing of their own."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


_COUNTED = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
NUMBERS = {word: number for number, word in enumerate(_COUNTED)} | {
    "single": 1, "solitary": 1, "sole": 1, "couple": 2, "pair": 2, "both": 2, "dozen": 12
}  # fmt: skip
MANY = word_set("several multiple many numerous some few various countless innumerable scattered")
BOUNDS = word_set("least most than over to about approximately roughly around nearly almost under or")
UNITS = word_set("mm cm millimetre millimetres millimeter millimeters centimetre centimeter px pixel pixels x o'clock")
LABELLED = word_set("type stage grade class paris nice case frame image figure fig number patient slide")

_COLOURS = {
    "red": "red reddish erythematous crimson scarlet",
    "pink": "pink pinkish rosy",
    "orange": "orange orangish",
    "yellow": "yellow yellowish",
    "green": "green greenish",
    "blue": "blue bluish blueish",
    "purple": "purple purplish violet violaceous",
    "brown": "brown brownish tan tanned",
    "black": "black blackish",
    "white": "white whitish",
    "grey": "grey gray greyish grayish",
    "dark": "dark darker",
    "pale": "pale paler",
    "bright": "bright brighter",
}
COLOURS = {word: colour for colour, words in _COLOURS.items() for word in words.split()}
TONES = {"dark": "dark", "deep": "dark", "light": "light", "pale": "pale", "bright": "bright"}
NO_COLOUR_BEFORE = word_set("light balance matter blood hair background border frame image cell cells")

_SIZES = {
    "tiny": "tiny diminutive minute miniature minuscule",
    "small": "small smaller smallish little",
    "medium": "medium moderate moderately mid intermediate",
    "large": "large larger largish big bigger sizeable sizable bulky extensive",
    "huge": "huge giant enormous massive gigantic",
}
SIZES = {word: size for size, words in _SIZES.items() for word in words.split()}
EXTREMES = {"small": "tiny", "large": "huge"}
NO_SIZE_BEFORE = word_set("bowel intestine intestinal vessel vessels cell cells part amount number")

FRAMES = word_set(
    """image frame picture photo photograph view fov screen scan slide tile crop patch micrograph radiograph field
    scene panel display figure canvas pixels snapshot shot grid"""
)
ANATOMY = word_set(
    """abdomen appendix arm artery atrium bowel breast bronchus caecum cecum chest colon duodenum ear eye eyelid
    finger flank flexure foot groin hand heart hemicolon hemisphere hemithorax hepatic hip ileum intestine jaw kidney
    knee leg limb lip liver lobe lobes lung lungs molar incisor neck nostril oesophagus esophagus ovary pelvis
    rectum shoulder sigmoid skull stomach temple thigh thorax tonsil trunk ventricle wrist lateral oblique lumen
    patient body organ anterior posterior medial gastrointestinal gi respiratory eyebrow cheek testis thyroid"""
)

DETERMINERS = word_set("a an the this that these those its their his her our any each every")
PREPOSITIONS = word_set(
    """in on at of to from near by within inside around along toward towards into across over under for about between
    beside next close against through throughout without with behind per upon onto"""
)
BE = word_set("is are was were be been being appears appear seems seem looks look remains")
CONJUNCTIONS = word_set("and but while whereas whilst although though however plus or nor with yet & / +")
PRONOUNS = word_set("it they them this these those that which who there here both each together all")

VERBS = word_set(
    """lies lie lying located locate placed positioned situated sits sit sitting seen see visible shows show showing
    shown depicts depict contains contain containing found find noted observed identified detected present demonstrates
    reveals reveal displays display has have having had can may does do will could would measures measuring covers
    cover covering covered occupies occupy occupying occupied fills fill filling spans span spanning spread spreads
    extends extend extending reaches reaching takes take taking makes making accounts accounting comprises comprising
    constitutes centred centered enclosed enclosing segment mark delineate note"""
)
_SAYING_NOTHING = word_set(
    """location placement position extent up share area region size sized diameter coverage proportion percentage
    fraction total bounding box bbox bounds boundary rectangle coordinates coordinate px percent x y rows row column
    columns centre center middle central edge border margin side part portion corner half quadrant surface colour
    color colored coloured hue tint tone appearance shape texture stalk base head tip rim contour contours margins
    borders edges outline length width height own very quite rather fairly slightly somewhat mostly mainly only just
    also too as so then further furthermore moreover well nearly almost circa ca approx namely i e respectively
    overall altogether similar such same far tight tightly one ones other another first second third single type kind
    form evidence sign signs no not than more less finding findings please largest smallest biggest"""
)
_ADJECTIVES = word_set(
    """flat sessile round oval irregular smooth rough raised shiny glossy soft hard firm thick thin long short wide
    narrow deep shallow benign malignant suspicious subtle faint dim clear blurry diffuse discrete distinct focal
    early late fresh old new whole entire full partial solid cystic uniform even uneven symmetric ragged sharp mixed
    mm cm"""
)
GLUE = _SAYING_NOTHING.union(
    VERBS,
    _ADJECTIVES,
    DETERMINERS,
    PREPOSITIONS,
    BE,
    CONJUNCTIONS,
    PRONOUNS,
    FRAMES,
    COLOURS,
    SIZES,
    NUMBERS,
    MANY,
    BOUNDS,
)
_ENDINGS = ("ed", "ous", "ic", "al", "ar", "ish", "ly", "ble", "ive", "ant", "like", "oid", "ing", "less", "shaped")


def is_descriptive(word: str) -> bool:
    """Whether a word is no noun that could be something else in the image: a function word, adjective or adverb."""
    word = word.partition("'")[0]
    return word in GLUE or (len(word) > 4 and word.endswith(_ENDINGS))


def spelt(number: int) -> str:
    """A number in words up to twelve, in digits beyond."""
    return _COUNTED[number] if number < len(_COUNTED) else str(number)
