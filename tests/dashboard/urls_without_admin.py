"""The sandbox's URLs for a shop that does not mount Django's admin."""

from sandbox.urls import urlpatterns as sandbox_urls

urlpatterns = [pattern for pattern in sandbox_urls if str(pattern.pattern) != "admin/"]
