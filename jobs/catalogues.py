"""For translators: finds the texts in the source, and brings waymark.pot and the catalogues up to date. `make texts`."""

import sys
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from jobs.languages import LANGUAGES
from jobs.texts import LOCALES, SOURCE, catalogue_path

ROOT: Final = Path(__file__).parent.parent
FOLDERS: Final = ("jobs", "redirector")
KEYWORDS: Final = {"mark": None, "say": None, "say_html": None, "say_count": (1, 2)}
TEMPLATE: Final = LOCALES / "waymark.pot"
TRANSLATED: Final = tuple(language for language in LANGUAGES if language != SOURCE)

Msgid = str | Sequence[str]

_COMMENT: Final = "Translators:"
_HEADER: Final = """\
# Waymark: what customers read. Made by `make texts`; only the msgstr lines are written by hand.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
{plurals}
"""
# The order of CLDR: zero, one, two, few, many, other.
_PLURALS: Final = {
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);",
}


def extracted() -> Catalog:
    """Every msgid in the source, in order of files and lines."""
    found = Catalog(fuzzy=False)
    for path in _sources():
        name = str(path.relative_to(ROOT))
        entries = extract_from_file("python", path, keywords=KEYWORDS, comment_tags=(_COMMENT,))
        for line, msgid, comments, _ in entries:
            found.add(msgid, locations=[(name, line)], auto_comments=comments, flags=_flags(msgid))
    return found


def updated(language: str, template: Catalog) -> Catalog:
    """The catalogue with the msgids of the template and the translations it has had; a new one is empty, never guessed."""
    path = catalogue_path(language)
    catalogue = Catalog(locale=language, fuzzy=False)
    former = read_catalogue(language) if path.exists() else catalogue
    for message in template:
        if message.id:
            before = former.get(_first(message.id))
            catalogue.add(
                message.id,
                before.string if before is not None and before.id == message.id else "",
                locations=message.locations,
                auto_comments=message.auto_comments,
                user_comments=before.user_comments if before is not None else (),
                flags=message.flags,
            )
    return catalogue


def read_catalogue(language: str) -> Catalog:
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language)


def faults(template: Catalog, catalogue: Catalog) -> list[str]:
    """What a release must not have: missing, superfluous and fuzzy texts, other placeholders than the source has."""
    wanted = {_first(message.id): message for message in template if message.id}
    found = {_first(message.id): message for message in catalogue if message.id}
    return [
        *(f"missing: {msgid}" for msgid in wanted if msgid not in found),
        *(f"no longer in the source: {msgid}" for msgid in found if msgid not in wanted),
        *(
            fault
            for msgid in wanted
            if msgid in found
            for fault in _message_faults(wanted[msgid], found[msgid], catalogue)
        ),
    ]


def main() -> int:
    """Writes all files; tells what is left to translate."""
    template = extracted()
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_bytes(written(template))
    left = 0
    for language in TRANSLATED:
        catalogue = updated(language, template)
        catalogue_path(language).parent.mkdir(parents=True, exist_ok=True)
        catalogue_path(language).write_bytes(written(catalogue))
        found = faults(template, catalogue)
        left += len(found)
        sys.stdout.writelines(f"{language}: {fault}\n" for fault in found)
    sys.stdout.write(f"{len(template)} texts in {len(TRANSLATED)} catalogues, {left} left to translate or mend.\n")
    return 1 if left else 0


def written(catalogue: Catalog) -> bytes:
    """As a file without dates and line numbers, so that it changes only when a text does."""
    file = BytesIO()
    write_po(file, catalogue, include_lineno=False, omit_header=True, width=100)
    language = str(catalogue.locale or "")
    plurals = f'"Plural-Forms: {_PLURALS[language]}\\n"\n' if language else ""
    return (_HEADER.format(language=language, plurals=plurals)).encode() + file.getvalue()


def _sources() -> Iterable[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def _flags(msgid: Msgid) -> tuple[str, ...]:
    return ("python-brace-format",) if "{" in "".join(msgid) else ()


def _first(msgid: Msgid) -> str:
    return msgid if isinstance(msgid, str) else msgid[0]


def _message_faults(source: Message, translated: Message, catalogue: Catalog) -> list[str]:
    msgid = _first(source.id)
    strings = [translated.string] if isinstance(translated.string, str) else list(translated.string or ())
    if translated.fuzzy:
        return [f"fuzzy: {msgid}"]
    if not isinstance(source.id, str) and len(strings) != catalogue.num_plurals:
        return [f"{len(strings)} of {catalogue.num_plurals} plural forms: {msgid}"]
    if not all(strings):
        return [f"missing: {msgid}"]
    wanted = placeholders(msgid if isinstance(source.id, str) else source.id[-1])
    if isinstance(source.id, str):
        return [] if placeholders(strings[0]) == wanted else [f"other placeholders: {msgid}"]
    # "One day" needs no figure where the form stands for a single number.
    return (
        []
        if all(placeholders(text) in (wanted, wanted - {"n"}) for text in strings)
        else [f"other placeholders: {msgid}"]
    )


def placeholders(text: str) -> set[str]:
    """Raises ValueError for a brace that closes nothing."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


if __name__ == "__main__":
    sys.exit(main())
