"""Where everything is. No language prefix, so that the URLs one pastes into the Business Center stay as they are."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.static import serve

urlpatterns = [
    path("admin/", admin.site.urls),
    # Ours first: oscarapi's catch-all views need not look at what CyberSource posts.
    path("api/cybersource/", include("cybersource.urls")),
    # CyberSource: the same checkout, which says before an order exists what is wrong with a card payment.
    path("api/", include("cybersource.checkout_urls")),
    # django-oscar-api-checkout before django-oscar-api: it replaces the checkout of the latter.
    path("api/", include(apps.get_app_config("oscarapicheckout").urls[0])),
    path("api/", include("oscarapi.urls")),
    # Product pictures. A real shop leaves this to its web server.
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    # What a browser asks for on pages that name no icon, the admin's for example.
    path("favicon.ico", RedirectView.as_view(url=static("sandbox/leaf.svg"))),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
