"""Checks of what the shop's own project has to bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils import translation
from django.utils.module_loading import import_string
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from ..conf import conf
from ..models import TransactionMixin


@register(Tags.models)
def check_surroundings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        *database(),
        *middleware(),
        *session_age(),
        *transaction_model(),
        *order_statuses(),
        *order_page(),
        *navigation(),
    ]


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*urls(), *checkout_views(), *language_in_path()]


def database() -> Iterator[CheckMessage]:
    if "django.contrib.postgres" not in settings.INSTALLED_APPS:
        yield Error(
            "django.contrib.postgres is not in INSTALLED_APPS.",
            hint="Add it: replies are logged in a PostgreSQL HStore.",
            id="cybersource.E012",
        )
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if "postgres" not in engine and "postgis" not in engine:
        yield Error(
            "The default database is not PostgreSQL.",
            hint="Replies are logged in a PostgreSQL HStore; no other database has one.",
            id="cybersource.E013",
        )


#: What must be among MIDDLEWARE, or a class that is based on it, and what does not work without.
NEEDED_MIDDLEWARE = (
    ("django.contrib.sessions.middleware.SessionMiddleware", "a shopper who comes back is not known", "E025"),
    ("django.contrib.messages.middleware.MessageMiddleware", "a declined shopper cannot read why", "E026"),
)


def middleware() -> Iterator[CheckMessage]:
    used = []
    for path in settings.MIDDLEWARE:
        try:
            used.append(import_string(path))
        except ImportError:
            return  # Django says so when it starts
    for path, lost, number in NEEDED_MIDDLEWARE:
        needed = import_string(path)
        if not any(isinstance(each, type) and issubclass(each, needed) for each in used):
            yield Error(
                f"MIDDLEWARE lacks {path}: {lost}.",
                hint=f"Add '{path}' to MIDDLEWARE.",
                id=f"cybersource.{number}",
            )


def session_age() -> Iterator[CheckMessage]:
    try:
        longest = conf.attempt_timeout.total_seconds()
    except (TypeError, ValueError, OverflowError):
        return  # told above
    if settings.SESSION_COOKIE_AGE < min(longest, 86400):
        yield Warning(
            "SESSION_COOKIE_AGE ends a session before CYBERSOURCE_ATTEMPT_TIMEOUT ends a payment: a shopper may come "
            "back as a stranger.",
            hint="Let sessions last at least as long as payments may wait for their answer.",
            id="cybersource.W017",
        )


def transaction_model(model: Any = None) -> Iterator[CheckMessage]:
    if not issubclass(model or get_model("payment", "Transaction"), TransactionMixin):
        yield Error(
            "payment.Transaction does not have the columns of cybersource.models.TransactionMixin.",
            hint="Fork Oscar's payment app (manage.py oscar_fork_app payment …) and declare "
            "class Transaction(TransactionMixin, AbstractTransaction).",
            id="cybersource.E014",
        )


def order_statuses() -> Iterator[CheckMessage]:
    pipeline = getattr(settings, "OSCAR_ORDER_STATUS_PIPELINE", {})
    pending, declined, authorized = (
        checkout_settings.ORDER_STATUS_PENDING,
        checkout_settings.ORDER_STATUS_PAYMENT_DECLINED,
        checkout_settings.ORDER_STATUS_AUTHORIZED,
    )
    for before, after in ((pending, authorized), (pending, declined), (declined, authorized)):
        if after not in pipeline.get(before, ()):
            yield Warning(
                f"OSCAR_ORDER_STATUS_PIPELINE has no way from '{before}' to '{after}'.",
                hint="Payments force it, with a note on the order. Add the way to the pipeline.",
                id="cybersource.W006",
            )


def order_page() -> Iterator[CheckMessage]:
    apps = list(settings.INSTALLED_APPS)
    ours = next((index for index, app in enumerate(apps) if app.startswith("cybersource")), 0)
    if any("oscar.apps.dashboard" in app or app == "oscar" for app in apps[:ours]):
        yield Warning(
            "cybersource stands after Oscar's dashboard in INSTALLED_APPS: staff see no card payments on orders.",
            hint="Put 'cybersource' before the Oscar apps: Django takes the first template it finds.",
            id="cybersource.W009",
        )


def navigation() -> Iterator[CheckMessage]:
    entries = getattr(settings, "OSCAR_DASHBOARD_NAVIGATION", [])
    linked = {child.get("url_name") for entry in entries for child in (entry, *entry.get("children", ()))}
    if "cybersource-attention" not in linked:
        yield Warning(
            "Staff find no way to the list of card payments that need attention.",
            hint="Add cybersource.navigation.DASHBOARD_ENTRY to OSCAR_DASHBOARD_NAVIGATION, or a link of your own.",
            id="cybersource.W013",
        )


def checkout_views() -> Iterator[CheckMessage]:
    """Which views answer at api-checkout's two paths; a shop's own may be based on ours."""
    for name in ("api-checkout", "api-complete-deferred-payment") if getattr(settings, "ROOT_URLCONF", None) else ():
        try:
            view = resolve(reverse(name)).func
        except (NoReverseMatch, Resolver404):
            continue  # mounted at another place of the shop's choice, or not at all
        bases = getattr(getattr(view, "cls", None), "__mro__", ())
        if not any(base.__module__ == "cybersource.api.checkout" for base in bases):
            yield Warning(
                f"The view of '{name}' does not know card payments: what is wrong with one shows after the order.",
                hint='Add path("api/", include("cybersource.checkout_urls")) before the URLs of oscarapicheckout, at '
                "their path, or base your own view on the one of the same name in cybersource.api.checkout.",
                id="cybersource.W016",
            )


#: What CyberSource's servers and the shopper's browser post from CyberSource's page.
POSTED_TO = (
    "cybersource-reply",
    "cybersource-merchant-post",
    "cybersource-review-notification",
    "cybersource-webhooks",
)


def language_in_path() -> Iterator[CheckMessage]:
    """Find URLs that a language has to stand in: a post without it is redirected, and what it brought is lost."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    with translation.override(settings.LANGUAGE_CODE):
        prefix = f"{get_script_prefix()}{translation.get_language()}/"
        try:
            paths = [reverse(name) for name in POSTED_TO]
        except NoReverseMatch:
            return  # told below
    with_language = [path for path in paths if path.startswith(prefix) and not is_resolved(path, without=prefix)]
    if with_language:
        yield Warning(
            f"'{with_language[0]}' has the language in its path: what CyberSource posts there without one is lost.",
            hint="Include cybersource.urls outside of i18n_patterns, or give CyberSource the URLs with a language, as "
            "the connection test writes them.",
            id="cybersource.W018",
        )


def is_resolved(path: str, *, without: str) -> bool:
    try:
        resolve(f"{get_script_prefix()}{path.removeprefix(without)}")
    except Resolver404:
        return False
    return True


def urls() -> Iterator[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    try:
        reverse("cybersource-reply")
    except NoReverseMatch:
        yield Error(
            "The URLs of the app are not included.",
            hint='Add path("api/cybersource/", include("cybersource.urls")) to the URLconf.',
            id="cybersource.E015",
        )
    for name in ("redirect_success", "redirect_fail", "redirect_pending"):
        target = getattr(conf, name)
        try:
            resolve_url(target) if target else None
        except NoReverseMatch:
            yield Error(
                f"CYBERSOURCE_{name.upper()} names no page: '{target}'.",
                hint="Use the name of a URL without arguments, or a path that starts with '/'.",
                id="cybersource.E016",
            )
