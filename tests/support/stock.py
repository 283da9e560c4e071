"""Goods of which there are only so many, and the law about what orders take of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oscar.core.loading import get_model
from oscar.test.factories import create_product

from cybersource.models import ReleasedAllocation
from tests.support.shop import Shopper

Benefit, Condition, ConditionalOffer, Range = (
    get_model("offer", name) for name in ("Benefit", "Condition", "ConditionalOffer", "Range")
)
Line = get_model("order", "Line")
OrderDiscount = get_model("order", "OrderDiscount")
ProductClass = get_model("catalogue", "ProductClass")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")
VoucherApplication = get_model("voucher", "VoucherApplication")


@dataclass
class Shelf:
    """One product and its stock record."""

    product: Any
    record: Any

    @classmethod
    def with_stock(cls, number: int, *, title: str = "Last kettle", track_stock: bool = True) -> Shelf:
        kind = "Goods" if track_stock else "Downloads"
        ProductClass.objects.get_or_create(name=kind, defaults={"track_stock": track_stock})
        product = create_product(title=title, price=Decimal("20.00"), num_in_stock=number, product_class=kind)
        return cls(product, product.stockrecords.get())

    @property
    def allocated(self) -> int:
        self.record.refresh_from_db()
        return self.record.num_allocated or 0

    def restock(self, number: int) -> None:
        StockRecord.objects.filter(pk=self.record.pk).update(num_in_stock=number)

    def fill(self, shopper: Shopper, quantity: int = 1) -> Any:
        return shopper.client.post(
            "/api/basket/add-product/",
            {"url": f"http://testserver/api/products/{self.product.pk}/", "quantity": quantity},
            content_type="application/json",
        )

    def buy(self, shopper: Shopper, quantity: int = 1, **changes: Any) -> Any:
        """Place an order and return it."""
        added = self.fill(shopper, quantity)
        assert added.status_code == 200, added.content
        return shopper.check_out(**changes)


def offer(name: str, percent: str = "10", **limits: Any) -> Any:
    """An offer for everybody, as staff would make it."""
    everything = Range.objects.create(name=f"Range of {name}", includes_all_products=True)
    return ConditionalOffer.objects.create(
        name=name,
        condition=Condition.objects.create(range=everything, type=Condition.COUNT, value=1),
        benefit=Benefit.objects.create(range=everything, type=Benefit.PERCENTAGE, value=Decimal(percent)),
        **limits,
    )


def allocations_are_sound() -> None:
    """Stock, offers and vouchers count what the orders that were not declined take, and nothing else."""
    taken: Counter[int] = Counter()
    lines = Line.objects.select_related("stockrecord__product__product_class", "order")
    for line in lines.filter(stockrecord__isnull=False):
        if line.stockrecord.product.get_product_class().track_stock:
            if line.order.status == "Payment Declined":
                assert line.num_allocated == 0, "a declined order keeps goods"
            taken[line.stockrecord_id] += line.num_allocated
    for released in ReleasedAllocation.objects.all():
        if released.is_about(released.order.lines.all()):  # else the retry cancelled it
            for record, quantity in released.for_retry.items():
                taken[int(record)] += quantity
    counted = {record.pk: record.num_allocated for record in StockRecord.objects.filter(num_allocated__gt=0)}
    assert counted == +taken, "the shelf counts other goods than the orders"
    for made in ConditionalOffer.objects.all():
        used = OrderDiscount.objects.filter(offer_id=made.pk)
        assert made.num_orders == used.count()
        assert made.num_applications == sum(each.frequency for each in used)
        assert made.total_discount == sum(each.amount for each in used)
        consumed = made.get_max_applications() == 0
        assert (made.status == ConditionalOffer.CONSUMED) == consumed
    for each in Voucher.objects.all():
        assert each.num_orders == VoucherApplication.objects.filter(voucher=each).count()
        assert each.total_discount == sum(d.amount for d in OrderDiscount.objects.filter(voucher_id=each.pk))
