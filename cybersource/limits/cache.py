"""The cache that budgets are counted in, when it fails."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.cache.backends.db import DatabaseCache
from django.db import router, transaction
from django.utils.crypto import salted_hmac

logger = logging.getLogger(__name__)


class UnreliableCache(Exception):
    """The cache takes a place and does not have it afterwards, or refuses every one that is free."""


def hashed(text: str) -> str:
    return "cybersource:limits:" + salted_hmac("cybersource.limits.budgets", text, algorithm="sha256").hexdigest()[:40]


# -- the cache ---------------------------------------------------------------------------------------------------------


def apart(cache: Any) -> AbstractContextManager[Any]:
    """Keep a database cache that fails from taking the request's transaction with it, where there is one."""
    if isinstance(cache, DatabaseCache):
        using = router.db_for_write(cache.cache_model_class)
        if transaction.get_connection(using).in_atomic_block:
            return transaction.atomic(using=using)
    return nullcontext()


def unavailable(problem: Exception) -> None:
    logger.error("Limits are not applied: the cache failed (%s).", type(problem).__name__)
