"""The sandbox's addresses, with the language in the path of every page of Oscar's."""

from django.conf.urls.i18n import i18n_patterns

from sandbox.urls import urlpatterns as of_the_sandbox

*api, pages = of_the_sandbox
urlpatterns = [*api, *i18n_patterns(pages)]
