"""The benchmarks' shop for a web server of its own, on the database that the benchmarks made."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

settings.DATABASES["default"]["NAME"] = os.environ["BENCHMARK_DATABASE"]
settings.DATABASES["default"]["CONN_MAX_AGE"] = 60
settings.ALLOWED_HOSTS = ["*"]
settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
application = get_wsgi_application()
