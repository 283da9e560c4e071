"""The sandbox's URLs for a shop that mounts api-checkout's own views alone."""

from sandbox.urls import urlpatterns as sandbox_urls


def is_ours(pattern) -> bool:
    return getattr(getattr(pattern, "urlconf_name", None), "__name__", "") == "cybersource.checkout_urls"


urlpatterns = [pattern for pattern in sandbox_urls if not is_ours(pattern)]
