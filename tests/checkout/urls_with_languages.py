"""The sandbox's addresses, with the language in the path of every page and of the app's own addresses."""

from django.conf.urls.i18n import i18n_patterns

from sandbox.urls import urlpatterns as of_the_sandbox

admin, ours, *api, pages = of_the_sandbox
urlpatterns = [admin, *i18n_patterns(ours), *api, *i18n_patterns(pages)]
