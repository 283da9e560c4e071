"""Settings of the sandbox: an ordinary Oscar shop, and what django-oscar-cybersource adds to it.

What a shop needs for CyberSource is marked "CyberSource:"; everything else is Oscar's own installation, kept short.
Every value can be overridden by an environment variable of the same name (the end of this file says how).
"""

import json
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from oscar.defaults import *  # noqa: F403

from cybersource.navigation import DASHBOARD_ENTRY

ROOT = Path(__file__).resolve().parent.parent
#: Everything the sandbox writes: uploads, mails, logs, the database. `make clean` removes it.
STATE = Path(os.environ.get("SANDBOX_STATE") or ROOT / ".sandbox")


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ImproperlyConfigured(f"{variable}={text} is no port: write a number from 1 to 65535.")
    return int(text)


SHOP_PORT = _port("SANDBOX_PORT", 8000)
SIMULATOR_PORT = _port("SANDBOX_SIMULATOR_PORT", 8001)
#: `localhost` and `127.0.0.1` are one machine but two *sites* to a browser, so cookies cross from one to the other
#: only as they would between a real shop and the real CyberSource: SameSite=Lax keeps them off the posted reply.
SHOP = f"http://localhost:{SHOP_PORT}"
SIMULATOR = f"http://127.0.0.1:{SIMULATOR_PORT}"

# --- Django ----------------------------------------------------------------------------------------------------------

DEBUG = True
SECRET_KEY = "sandbox-only: not a secret, never use it for a shop"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
SITE_ID = 1
ROOT_URLCONF = "sandbox.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "sandbox.apps.SandboxConfig",
    # CyberSource: before Oscar, so that its panel on the dashboard's order page is the template that is found.
    "cybersource",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "django.contrib.flatpages",
    # CyberSource: replies are logged in an HStore column, which PostgreSQL has and this app teaches to Django.
    "django.contrib.postgres",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "sandbox.checkout.apps.CheckoutConfig",  # CyberSource: forked, for the payment page
    "oscar.apps.address.apps.AddressConfig",
    "sandbox.shipping.apps.ShippingConfig",  # forked, for two shipping methods
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "sandbox.payment.apps.PaymentConfig",  # CyberSource: forked, so that Transaction can remember the reply
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
    # CyberSource: payments are begun over this API.
    "rest_framework",
    "drf_spectacular",  # the command that writes the API's description; a shop needs it for nothing else
    "oscarapi",
    "oscarapicheckout",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sandbox.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # CyberSource: in the place of Oscar's basket middleware, because the API and the pages must mean one basket.
    "oscarapi.middleware.ApiBasketMiddleWare",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]

AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
                "sandbox.context_processors.sandbox",
            ],
        },
    },
]


def database(url: str) -> dict[str, object]:
    """Return Django's words for ``postgres://user:password@host:port/name``."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL must begin with postgres://, not {parts.scheme}://: HStore needs it.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        # CyberSource: the app says itself where a transaction begins and ends, also in a shop that has this True.
        "ATOMIC_REQUESTS": False,
    }


#: sandbox/postgres.py starts a server and sets this; so do sandbox/manage.py and `make sandbox`.
DATABASES = {"default": database(os.environ.get("DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/sandbox")}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = False

STATIC_URL = "/static/"
STATIC_ROOT = str(STATE / "static")
MEDIA_URL = "/media/"
MEDIA_ROOT = str(STATE / "media")

#: Mails become files to look at. A confirmation goes out once the order is paid.
EMAIL_BACKEND = "sandbox.mail.EmailBackend"
MAIL_FOLDER = str(STATE / "mail")
DEFAULT_FROM_EMAIL = OSCAR_FROM_EMAIL = "Fern & Flint <shop@example.com>"

HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "sandbox.search.Engine"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "cybersource": {"handlers": ["console"], "level": "INFO"},
        "oscarapicheckout": {"handlers": ["console"], "level": "INFO"},
        "oscar.checkout": {"handlers": ["console"], "level": "INFO"},
    },
}

# --- Oscar -----------------------------------------------------------------------------------------------------------

OSCAR_SHOP_NAME = "Fern & Flint"
OSCAR_SHOP_TAGLINE = "Good things for slow afternoons"
OSCAR_DEFAULT_CURRENCY = "USD"
OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_REQUIRED_ADDRESS_FIELDS = ("first_name", "last_name", "line1", "line4", "state", "postcode", "country")
OSCAR_HIDDEN_FEATURES = ["reviews", "wishlists"]
OSCAR_PRODUCTS_PER_PAGE = 24

#: The fork of `shipping` adds classes but no columns, so Oscar's own migrations stay in force for it.
MIGRATION_MODULES = {"shipping": "oscar.apps.shipping.migrations"}

# CyberSource: the statuses that django-oscar-api-checkout moves an order through.
ORDER_STATUS_PENDING = "Pending"
ORDER_STATUS_PAYMENT_DECLINED = "Payment Declined"
ORDER_STATUS_AUTHORIZED = "Authorized"
ORDER_STATUS_SHIPPED = "Shipped"
ORDER_STATUS_CANCELED = "Canceled"

OSCAR_INITIAL_ORDER_STATUS = OSCARAPI_INITIAL_ORDER_STATUS = ORDER_STATUS_PENDING
OSCAR_ORDER_STATUS_PIPELINE = {
    ORDER_STATUS_PENDING: (ORDER_STATUS_PAYMENT_DECLINED, ORDER_STATUS_AUTHORIZED, ORDER_STATUS_CANCELED),
    # Back to Pending when the shopper tries again: the same order is paid for, not a second one.
    ORDER_STATUS_PAYMENT_DECLINED: (
        ORDER_STATUS_PENDING,
        ORDER_STATUS_AUTHORIZED,
        ORDER_STATUS_PAYMENT_DECLINED,
        ORDER_STATUS_CANCELED,
    ),
    ORDER_STATUS_AUTHORIZED: (ORDER_STATUS_SHIPPED, ORDER_STATUS_PAYMENT_DECLINED, ORDER_STATUS_CANCELED),
    ORDER_STATUS_SHIPPED: (),
    ORDER_STATUS_CANCELED: (),
}
OSCAR_INITIAL_LINE_STATUS = ORDER_STATUS_PENDING
OSCAR_LINE_STATUS_PIPELINE = {
    ORDER_STATUS_PENDING: (ORDER_STATUS_SHIPPED, ORDER_STATUS_CANCELED),
    ORDER_STATUS_SHIPPED: (),
    ORDER_STATUS_CANCELED: (),
}

# CyberSource: card payments in the dashboard's navigation: lists, and what needs somebody to look at it.
OSCAR_DASHBOARD_NAVIGATION = [*OSCAR_DASHBOARD_NAVIGATION, DASHBOARD_ENTRY]  # noqa: F405

# CyberSource: who may pay how. Cash is there for staff who take an order at the counter.
API_ENABLED_PAYMENT_METHODS = [
    {
        "method": "cybersource.methods.Cybersource",
        "permission": "oscarapicheckout.permissions.Public",
    },
    {
        "method": "oscarapicheckout.methods.Cash",
        "permission": "oscarapicheckout.permissions.StaffOnly",
    },
]

# Its check at deployment would describe all APIs of the project, and oscarapi's own root cannot be.
SPECTACULAR_SETTINGS = {"ENABLE_DJANGO_DEPLOY_CHECK": False}

# --- CyberSource -----------------------------------------------------------------------------------------------------

# Keys of nobody, the ones that the simulator is born with. A real shop copies its own from the Business Center.
CYBERSOURCE_PROFILE = "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"
CYBERSOURCE_ACCESS = "9df3b01c60df20d13843841ff0d4482c"
CYBERSOURCE_SECRET = (
    "739fe4d75707d0d11aadc22c2cc2ffe280278e83cec371cd64bb93a60bc2a0fd49c4c62b79452814e0c0dbde52d56f1e"
    "61efbc718db6c20e79e3a634f1fa084412217fe74ad2f0ea4ee2da8e30be6dc3874cb077edac22524b21704f258099c4"
    "0022cbcae233a706a56c019919efdb363c4e2a4c033f8bb30ca2c5478ff7ee5e"
)
CYBERSOURCE_MERCHANT_ID = "acme_shop"
CYBERSOURCE_ORG_ID = "1snn5n9w"
CYBERSOURCE_DECISION_MANAGER_KEYS = ["sandbox-review-key"]
CYBERSOURCE_FLOW = "two-step"
CYBERSOURCE_SHIPPING_METHOD_MAPPING = {"standard": "lowcost", "express": "twoday"}
# Gentler than in a shop, whose defaults would stop a person who tries every test card in a row, but not off: card
# after card shows what a refused shopper reads. Take `CYBERSOURCE_LIMITS='{}' make sandbox` to meet the defaults.
CYBERSOURCE_LIMITS = {
    "attempts": {"shopper": "60/h", "order": "30/h"},
    "declines": {"shopper": "30/h", "order": "15/h"},
}

# A shop leaves these alone, and CYBERSOURCE_ENVIRONMENT chooses CyberSource's hosts. Here the simulator plays them.
CYBERSOURCE_ENVIRONMENT = "test"
CYBERSOURCE_ENDPOINT_PAY = f"{SIMULATOR}/silent/pay"
CYBERSOURCE_ENDPOINT_TOKEN_CREATE = f"{SIMULATOR}/silent/token/create"
# The money desk: the key of the simulator's REST services, of nobody either.
CYBERSOURCE_REST_KEY_ID = "6f5a3a0e-0d5c-4f1c-9a57-3b1f4c9d2e10"
CYBERSOURCE_REST_SHARED_SECRET = "dGhyb3dhd2F5LXNhbmRib3gtc2VjcmV0LW9mLW5vYm9keS0wMDE="
CYBERSOURCE_REST_ENDPOINT = SIMULATOR
CYBERSOURCE_FINGERPRINT_PROTOCOL = "http"
CYBERSOURCE_FINGERPRINT_HOST = f"127.0.0.1:{SIMULATOR_PORT}"

# --- Overrides from the environment ----------------------------------------------------------------------------------

# `CYBERSOURCE_FLOW=sale make sandbox` does what it says. Lists, dictionaries and the like are written as JSON.
# DATABASES has its own form, DATABASE_URL; USE_TZ and the like are read as 1/0, true/false, yes/no, on/off.


def _from_environment(name: str, default: object, text: str) -> object:
    if isinstance(default, bool):
        word = text.strip().lower()
        if word not in {"1", "true", "yes", "on", "0", "false", "no", "off", ""}:
            raise ImproperlyConfigured(f"{name}={text!r} in the environment is neither true nor false.")
        return word in {"1", "true", "yes", "on"}
    if isinstance(default, int):
        return int(text)
    if isinstance(default, (list, tuple, dict)) or default is None:
        try:
            value = json.loads(text)
        except ValueError as problem:
            raise ImproperlyConfigured(f"{name}={text!r} in the environment is not JSON: {problem}") from None
        return tuple(value) if isinstance(default, tuple) else value
    return text


for _name, _default in list(globals().items()):
    if _name.isupper() and _name not in {"ROOT", "STATE", "DATABASES"} and _name in os.environ:
        globals()[_name] = _from_environment(_name, _default, os.environ[_name])
# Settings of the app that have no value above are texts, but for these.
_NO_TEXTS = {
    "CYBERSOURCE_ATTEMPT_TIMEOUT": 0,
    "CYBERSOURCE_MAX_PAYMENT_METHODS": None,
    "CYBERSOURCE_REVIEW_HOLDS_ORDER": True,
    "CYBERSOURCE_HOLD_DAYS": None,
    "CYBERSOURCE_TRUSTED_PROXIES": (),
    "CYBERSOURCE_REST_TIMEOUT": None,  # whole or not
    "CYBERSOURCE_REST_MLE": False,
    "CYBERSOURCE_WEBHOOK_KEYS": None,
    "CYBERSOURCE_WEBHOOK_MAX_AGE": 0,
    "CYBERSOURCE_SEVERAL_CAPTURES": True,
    "CYBERSOURCE_AUTO_REVERSE": None,
    "CYBERSOURCE_ACCOUNT_IS_SHARED": False,
    "CYBERSOURCE_FERNET_KEYS": None,
}
for _name in os.environ:
    if _name.startswith("CYBERSOURCE_") and _name not in globals():
        globals()[_name] = _from_environment(_name, _NO_TEXTS.get(_name, ""), os.environ[_name])
