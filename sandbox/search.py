"""Search and the catalogue pages, answered by the database.

Oscar lists and searches products through Haystack, and Haystack wants a search server. Fifteen products do not; so this
is a Haystack engine that asks the product table. A real shop configures Solr, Elasticsearch or Whoosh here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Min, Q, QuerySet
from haystack.backends import BaseEngine, BaseSearchBackend, BaseSearchQuery, SearchNode
from haystack.models import SearchResult
from oscar.core.loading import get_model

#: Haystack's field -> the product's, for sorting.
SORTING = {
    "price": "cheapest",
    "title_exact": "title",
    "title_s": "title",
    "rating": "rating",
    "date_created": "date_created",
}


class Backend(BaseSearchBackend):
    def update(self, index, iterable, commit=True):
        """Do nothing: the table is its own index."""

    def remove(self, obj, commit=True):
        """Do nothing, as above."""

    def clear(self, models=None, commit=True):
        """Do nothing, as above."""

    def search(self, query_string: dict[str, Any], **options: Any) -> dict[str, Any]:
        found = self._products(query_string)
        found = found.order_by(*map(self._sorting, options.get("sort_by") or ["-date_created"]))
        shown = found[options.get("start_offset") or 0 : options.get("end_offset")]
        return {"results": [self._result(product) for product in shown], "hits": found.count(), "facets": {}}

    @staticmethod
    def _products(asked: dict[str, Any]) -> QuerySet:
        found = get_model("catalogue", "Product").objects.browsable().base_queryset()
        found = found.annotate(cheapest=Min("stockrecords__price"))
        if "category" in asked:
            found = found.filter(categories__in=asked["category"])
        for word in str(asked.get("content", "")).split():
            found = found.filter(Q(title__icontains=word) | Q(description__icontains=word) | Q(upc__iexact=word))
        return found.distinct()

    @staticmethod
    def _sorting(field: str) -> str:
        minus, name = ("-", field[1:]) if field.startswith("-") else ("", field)
        return minus + SORTING.get(name, "title")

    @staticmethod
    def _result(product: Any) -> SearchResult:
        result = SearchResult(product._meta.app_label, product._meta.model_name, product.pk, 0)
        result._object = product
        return result


class Query(BaseSearchQuery):
    def build_query(self) -> dict[str, Any]:
        return dict(_leaves(self.query_filter))


def _leaves(node: SearchNode) -> Iterator[tuple[str, Any]]:
    """Yield ``("category", [1, 2])`` for ``category__in=[1, 2]``, and so on."""
    for child in node.children:
        if isinstance(child, SearchNode):
            yield from _leaves(child)
        else:
            name, value = child
            yield name.split("__")[0], getattr(value, "query_string", value)


class Engine(BaseEngine):
    backend = Backend
    query = Query
