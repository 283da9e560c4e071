"""The app's texts in German, French and Spanish."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import oscar
import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation.template import templatize

import cybersource
from cybersource.checkout.messages import named_fields
from cybersource.conf import conf

APP = Path(cybersource.__file__).parent
LANGUAGES = ("de", "fr", "es")

#: What every translation has to say as well: values filled in, and markup.
FILLED_IN = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>")

#: Under these names the app's modules call Django's functions for texts.
TRANSLATORS = {"_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None, "pgettext": ((1, "c"), 2)}
TRANSLATORS["ngettext"] = (1, 2)

#: A text, or the singular and plural of one that counts something.
Words = str | tuple[str, ...]

each_language = pytest.mark.parametrize("language", LANGUAGES)


def files(language: str) -> tuple[Path, Path]:
    folder = APP / "locale" / language / "LC_MESSAGES"
    return folder / "django.po", folder / "django.mo"


def catalogue(language: str) -> Catalog:
    with files(language)[0].open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


def compiled(source: io.BufferedIOBase) -> dict[tuple[str | None, tuple[str, ...]], tuple[str, ...]]:
    messages = [message for message in read_mo(source) if message.id]
    return {(message.context, forms(message.id)): forms(message.string) for message in messages}


def forms(words: Words) -> tuple[str, ...]:
    """The singular and the plural of a text that counts something, or the one form of any other."""
    return (words,) if isinstance(words, str) else tuple(words)


def texts_of_the_app() -> set[Words]:
    """Every text in the app's modules and templates, read here without gettext's own tools."""
    found: set[Words] = set()
    for path in sorted(APP.rglob("*")):
        if "simulator" in path.parts or path.suffix not in (".py", ".html", ".txt"):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            text = "\n".join(line.strip() for line in templatize(text).splitlines())
        found |= {message for _, message, _, _ in extract("python", io.BytesIO(text.encode()), TRANSLATORS)}
    return found


@each_language
def test_every_text_is_translated_and_no_translation_is_a_guess(language):
    messages = [message for message in catalogue(language) if message.id]
    assert [message.id for message in messages if not all(forms(message.string)) or message.fuzzy] == []
    counted = {len(message.string) for message in messages if message.pluralizable}
    assert counted <= {catalogue(language).num_plurals}
    assert not catalogue(language).fuzzy
    assert catalogue(language).obsolete == {}


@each_language
def test_no_text_of_the_app_is_left_in_english(language):
    known = {message.id for message in catalogue(language) if message.id}
    missing, unused = texts_of_the_app() - known, known - texts_of_the_app()
    how = "run makemessages in the cybersource folder, translate, run compilemessages"
    assert (missing, unused) == (set(), set()), how


@each_language
def test_amounts_and_order_numbers_stand_in_every_translation(language):
    for message in catalogue(language):
        if message.id:
            told = Counter(FILLED_IN.findall(forms(message.id)[-1]))
            for string in forms(message.string):
                assert Counter(FILLED_IN.findall(string)) == told, message.id
                assert string == string.strip(), message.id


@each_language
def test_what_is_installed_is_what_was_translated(language):
    fresh = io.BytesIO()
    write_mo(fresh, catalogue(language))
    fresh.seek(0)
    with files(language)[1].open("rb") as installed:
        assert compiled(installed) == compiled(fresh)


@each_language
def test_the_shops_own_pages_keep_their_words(language):
    """All apps of a shop share one catalogue, and ours comes before Oscar's: what both say, both say alike."""
    folder = Path(oscar.__file__).parent / "locale" / language / "LC_MESSAGES"
    with (folder / "django.mo").open("rb") as source:
        oscars = {
            text: said.strip()
            for (context, (text, *plural)), (said, *_) in compiled(source).items()
            if context is None and said and not plural
        }
    ours = {message.id: message.string for message in catalogue(language) if message.id and not message.context}
    shared = ours.keys() & oscars.keys()
    assert {text: ours[text] for text in shared} == {text: oscars[text] for text in shared}


@each_language
def test_catalogues_name_no_person_and_no_machine(language):
    source, installed = (path.read_bytes() for path in files(language))
    headers = {name: value.strip() for name, value in catalogue(language).mime_headers}
    assert headers["Project-Id-Version"] == "django-oscar-cybersource"
    assert headers["Report-Msgid-Bugs-To"] == ""
    assert "@" not in headers["Last-Translator"] + headers["Language-Team"]
    assert b"#: " not in source
    assert b"/home/" not in source + installed


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "Ihre Karte wurde für die Bestellung {order_number} nicht akzeptiert. Es wurde nichts abgebucht."),
        ("fr", "Votre carte n’a pas été acceptée pour la commande {order_number}. Rien n’a été débité."),
        ("es", "Su tarjeta no ha sido aceptada para el pedido {order_number}. No se ha cobrado nada."),
    ],
)
def test_a_shopper_whose_card_was_declined_reads_it_in_their_language(language, expected):
    with translation.override(language):
        assert str(conf.card_reject_error).startswith(expected)


def test_an_austrian_shopper_reads_german():
    with translation.override("de-at"):
        assert gettext("Please do not pay again.") == "Bitte bezahlen Sie nicht noch einmal."


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "Bitte prüfen Sie folgende Angaben und versuchen Sie es erneut: Kartennummer, Ablaufdatum."),
        ("fr", "Veuillez vérifier les informations suivantes et réessayer\u00a0: numéro de carte, date d’expiration."),
        ("es", "Compruebe estos datos e inténtelo de nuevo, por favor: número de tarjeta, fecha de caducidad."),
    ],
)
def test_wrong_details_are_named_in_a_sentence_that_reads_well(language, expected):
    with translation.override(language):
        fields = ", ".join(named_fields({"invalid_fields": "card_number,card_expiry_date"}))
        told = gettext("Please check the %(fields)s and try again. Order %(number)s was not charged.")
        assert (told % {"fields": fields, "number": "100001"}).startswith(expected)


def test_a_whole_page_turns_german():
    with translation.override("de"):
        page = render_to_string("cybersource/refused.html", {"home_url": "/"})
    assert '<html lang="de">' in page
    assert "Diese Zahlungsnachricht konnte nicht angenommen werden" in page
    assert "Zum Shop" in page
    assert "payment" not in page.lower()
