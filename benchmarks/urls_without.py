"""The sandbox's pages before the app was installed: ``benchmarks/worker.py``."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include(apps.get_app_config("oscarapicheckout").urls[0])),
    path("api/", include("oscarapi.urls")),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
