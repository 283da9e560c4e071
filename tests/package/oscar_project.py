"""A freshly made Oscar project on PostgreSQL, as Oscar's own documentation makes one. It knows nothing of this app."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .readme import ROOT

OSCAR_SETTINGS = """

# ---- Oscar, from its documentation ------------------------------------------------------------------------------

from oscar.defaults import *  # noqa: E402,F403

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django.contrib.sites",
    "django.contrib.flatpages",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
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
]
SITE_ID = 1
MIDDLEWARE = [
    *MIDDLEWARE,
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
if "MAILERS" in globals():  # Django 6.1 and newer
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ALLOWED_HOSTS = ["testserver", "localhost"]
DATABASES = {"default": DATABASE}
"""

URLS = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
"""


class Project:
    """The project's folder, and commands run in it as a developer would."""

    def __init__(self, folder: Path, database: dict[str, Any], *, python: str = sys.executable) -> None:
        self.folder = folder
        self.python = python
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CYBERSOURCE_", "DJANGO_", "COV_", "COVERAGE_", "PYTEST_"))
        }
        self.environment.pop("PYTHONPATH", None)
        if python == sys.executable:
            # The app and its tools come from the environment that runs the tests: nothing is downloaded.
            self.environment["PYTHONPATH"] = str(ROOT)
        self.environment["PATH"] = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
        self.run(f"{python} -m django startproject shop .")
        self.settings.write_text(
            self.settings.read_text() + f"\nDATABASE = {database!r}\n" + OSCAR_SETTINGS, encoding="utf-8"
        )
        self.urls.write_text(URLS, encoding="utf-8")

    @property
    def settings(self) -> Path:
        return self.folder / "shop" / "settings.py"

    @property
    def urls(self) -> Path:
        return self.folder / "shop" / "urls.py"

    def run(self, command: str, **environment: str) -> str:
        """Run a shell command of the README in the project's folder; its output, or a failure that shows it."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def append(self, path: Path, text: str) -> None:
        path.write_text(path.read_text(encoding="utf-8") + "\n" + text + "\n", encoding="utf-8")
