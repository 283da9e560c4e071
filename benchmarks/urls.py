"""The sandbox's pages, and what they are measured against."""

from django.http import HttpResponse
from django.urls import path

from benchmarks.floor import Paid
from sandbox.urls import urlpatterns as shop

urlpatterns = [
    path("empty/", lambda request: HttpResponse("ok", content_type="text/plain")),
    path("floor/", Paid.as_view()),
    *shop,
]
