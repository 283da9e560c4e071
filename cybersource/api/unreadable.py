"""What is posted to the checkout and no field reads: a card number, half a character, a list in the place of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import ValidationError
from rest_framework.fields import CharField
from rest_framework.relations import HyperlinkedRelatedField
from rest_framework.settings import api_settings
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from ..models import card_numbers


@sensitive_variables()
def refuse_what_no_field_reads(data: Any) -> None:
    """Raise an error of each field that holds a card number, or what Django REST framework would stumble over.

    Oscar would store the address, and the card with it.
    """
    try:
        found = unreadable(data) or card_numbers.refusals(data)
    except RecursionError:
        raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [gettext("This is nested too deeply.")]}) from None
    if found:
        raise ValidationError(found if isinstance(found, Mapping) else {api_settings.NON_FIELD_ERRORS_KEY: found})


@sensitive_variables()
def unreadable(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Say what keeps posted data from being read, in the shape of a serializer's errors.

    Half a character, which neither a database nor a log takes; a list where a text is taken for granted.
    """
    if isinstance(value, Mapping) and not is_text(path):
        found = {str(name): unreadable(one, (*path, str(name))) for name, one in value.items()}
        return half_a_character("".join(found)) or {name: errors for name, errors in found.items() if errors}
    if isinstance(value, (Mapping, list)):
        if is_text(path):
            return [CharField.default_error_messages["invalid"]]
        return next(filter(None, (unreadable(one) for one in value)), [])
    if is_link(path) and not is_url(value):
        return [HyperlinkedRelatedField.default_error_messages["no_match"]]
    return half_a_character(value) if isinstance(value, str) else []


@sensitive_variables()
def is_link(path: tuple[str, ...]) -> bool:
    return path in (("basket",), ("user",)) or (len(path) == 2 and path[1] == "country")


@sensitive_variables()
def is_text(path: tuple[str, ...]) -> bool:
    return is_link(path) or path == ("order",) or (path[:1] == ("payment",) and path[2:] == ("method_type",))


@sensitive_variables()
def is_url(value: Any) -> bool:
    try:
        urlsplit(str(value))
    except ValueError:
        return False
    return True


@sensitive_variables()
def half_a_character(text: str) -> list[str]:
    try:
        ProhibitSurrogateCharactersValidator()(text)
    except ValidationError as problem:
        return list(problem.detail)
    return []
