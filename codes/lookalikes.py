"""Host names that read as another one: mixed scripts, whole words of look-alike letters. Works on decoded labels."""
# ruff: noqa: RUF001, RUF003  look-alike letters are what this module is about

import unicodedata
from typing import Final

# Scripts that registries offer and people read every day, as the first word of the letters' Unicode names. Others
# (Cherokee, Lisu, Coptic, small historic ones) are full of Latin twins and serve nobody's web address.
_SCRIPT_NAMES: Final = (
    "ARABIC ARMENIAN BENGALI BOPOMOFO CJK CYRILLIC DEVANAGARI ETHIOPIC GEORGIAN GREEK GUJARATI GURMUKHI HANGUL HEBREW"
    " HIRAGANA KANNADA KATAKANA KHMER LAO LATIN MALAYALAM MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI TIBETAN"
)
_SCRIPTS: Final = frozenset(_SCRIPT_NAMES.split())
_NAME_STARTS: Final = {"IDEOGRAPHIC": "CJK", "ARABIC-INDIC": "ARABIC", "EXTENDED": "ARABIC"}
# Japanese, Chinese and Korean names are written with these next to Latin letters; any other mixture is a disguise.
_MIXTURES: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)

# Letters of another script which, in a common typeface, pass for the lower-case Latin letter next to them. Ours, chosen
# by eye: a letter belongs here when a whole word of such letters reads as Latin at a glance.
_TWINS: Final = {
    "CYRILLIC": "аa ьb сc ԁd еe ҽe ԍg һh іi јj кk ӏl пn оo рp ԛq гr ѕs уy үy ѵv ԝw ѡw хx ъb",
    "GREEK": "αa γy ηn ιi κk νv οo ρp σo τt υu χx ωw ϳj",
    "ARMENIAN": "աw գq զq էt հh յj լl ոn ռn սu ցg օo",
    "GEORGIAN": "ყy ჿo იo ძd ხb",
}
_LATIN_TWIN: Final = {pair[0]: pair[1] for pairs in _TWINS.values() for pair in pairs.split()}
# Phonetic and small-capital letters, which no language's spelling uses: ɡoogle, paʏpal.
_PHONETIC_PAIRS: Final = "ɑa ɡg ɩi ɪi ɾr ʀr ʏy ʙb ʜh ʟl ɴn ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꜱs ꞁl ʋv ɯw"
_PHONETIC: Final = {pair[0]: pair[1] for pair in _PHONETIC_PAIRS.split()}
# Katakana and Han strokes that pass for a slash or a dash when they stand among Latin letters only.
_STROKES: Final = frozenset("ノンソゾ丿丶一ー")


def find_lookalike(label: str, *, whole_word: bool = True) -> str | None:
    """Why a decoded host label (lower-case) is taken for a disguise, or None. ASCII labels never are."""
    if label.isascii():
        return None
    scripts = {script for script in map(_script, label) if script}
    strange = scripts - _SCRIPTS
    if strange:
        return "it uses letters of a script in which no web addresses are given out"
    if len(scripts) > 1 and not any(scripts <= mixture for mixture in _MIXTURES):
        return f"it mixes {_names(scripts)} letters"
    if "LATIN" in scripts and _only_strokes_besides_latin(label):
        return "it has strokes among Latin letters that pass for a slash or a dash"
    if any(letter in _PHONETIC for letter in label):
        return f"it reads as {_latin_reading(label)!r}, written with phonetic letters"
    return _whole_script_reason(label, scripts) if whole_word else None


def _whole_script_reason(label: str, scripts: set[str]) -> str | None:
    letters = [character for character in label if not character.isascii()]
    if len(scripts) == 1 and all(letter in _LATIN_TWIN for letter in letters):
        return f"it reads as {_latin_reading(label)!r}, written with {_names(scripts)} letters"
    return None


def _only_strokes_besides_latin(label: str) -> bool:
    eastern = [character for character in label if _script(character) in ("CJK", "KATAKANA", "HIRAGANA", "")]
    others = [character for character in eastern if not character.isascii()]
    return bool(others) and all(character in _STROKES for character in others)


def _latin_reading(label: str) -> str:
    return "".join(_LATIN_TWIN.get(letter) or _PHONETIC.get(letter) or letter for letter in label)


def _script(character: str) -> str:
    """The script of a letter or mark; "" for ASCII digits, hyphens and marks that go with every script."""
    category = unicodedata.category(character)
    if character.isascii():
        return "LATIN" if character.isalpha() else ""
    if category[0] not in "LMN" or category in ("Lm", "Mn"):
        return ""
    first = unicodedata.name(character, "UNNAMED").split(" ", 1)[0]
    return _NAME_STARTS.get(first, first)


def _names(scripts: set[str]) -> str:
    return " and ".join(sorted("Chinese" if script == "CJK" else script.title() for script in scripts))
