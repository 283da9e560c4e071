"""Fill the shop: goods with pictures, countries, an offer, vouchers and two people. May be run again and again."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sites.models import Site
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone
from oscar.core.loading import get_model
from sorl.thumbnail import default as thumbnails

from sandbox import goods

Category = get_model("catalogue", "Category")
ConditionalOffer = get_model("offer", "ConditionalOffer")
Condition = get_model("offer", "Condition")
Benefit = get_model("offer", "Benefit")
Country = get_model("address", "Country")
Partner = get_model("partner", "Partner")
Product = get_model("catalogue", "Product")
ProductCategory = get_model("catalogue", "ProductCategory")
ProductClass = get_model("catalogue", "ProductClass")
ProductImage = get_model("catalogue", "ProductImage")
Range = get_model("offer", "Range")
StockRecord = get_model("partner", "StockRecord")
UserAddress = get_model("address", "UserAddress")
Voucher = get_model("voucher", "Voucher")


class Command(BaseCommand):
    help = __doc__

    @transaction.atomic
    def handle(self, *args, **options):
        Site.objects.update_or_create(
            pk=1, defaults={"name": settings.OSCAR_SHOP_NAME, "domain": settings.SHOP.removeprefix("http://")}
        )
        self.countries()
        staff = self.person(*goods.STAFF, first_name="Sam", last_name="Staff", is_staff=True, is_superuser=True)
        shopper = self.person(*goods.SHOPPER, first_name="Robin", last_name="Shopper")
        self.address(shopper)
        self.shelves(staff)
        self.offers()
        shown = Product.objects.browsable().count()
        self.stdout.write(
            f"The shop has {shown} products, two people, an offer and the vouchers {goods.VOUCHER} and "
            f"{goods.VOUCHER_ONCE}."
        )

    def countries(self):
        for order, (code, code3, number, name) in enumerate(goods.COUNTRIES):
            Country.objects.update_or_create(
                iso_3166_1_a2=code,
                defaults={
                    "iso_3166_1_a3": code3,
                    "iso_3166_1_numeric": number,
                    "printable_name": name,
                    "name": name,
                    "display_order": len(goods.COUNTRIES) - order,  # Oscar shows the highest first
                    "is_shipping_country": True,
                },
            )

    def person(self, email, password, **given):
        User = get_user_model()
        user, created = User.objects.get_or_create(email=email, defaults={"username": email, **given})
        if created:  # a password that somebody changed stays changed
            user.set_password(password)
            user.save()
        return user

    def address(self, user):
        if not user.addresses.exists():
            UserAddress.objects.create(
                user=user,
                first_name="Robin",
                last_name="Shopper",
                line1="1295 Charleston Road",
                line4="Mountain View",
                state="CA",
                postcode="94043",
                country_id="US",
                phone_number="+16509656000",
                is_default_for_shipping=True,
                is_default_for_billing=True,
            )

    def shelves(self, staff):
        partner, _created = Partner.objects.get_or_create(code="fern-flint", defaults={"name": "Fern & Flint"})
        partner.users.add(staff)
        kind, _created = ProductClass.objects.get_or_create(
            slug="goods", defaults={"name": "Goods", "requires_shipping": True, "track_stock": True}
        )
        categories = {}
        for name, description in goods.CATEGORIES.items():
            categories[name] = Category.objects.filter(name=name).first() or Category.add_root(
                name=name, description=description
            )
        # Oscar shows the newest first; so the first of the list is added last.
        for item in reversed(goods.GOODS):
            product = self.product(item, kind, partner)
            ProductCategory.objects.get_or_create(product=product, category=categories[item.category])

    def product(self, item, kind, partner, parent=None):
        product = Product.objects.filter(upc=item.sku).first()
        if product is None:
            structure = Product.CHILD if parent else Product.PARENT if item.children else Product.STANDALONE
            product = Product.objects.create(
                upc=item.sku,
                title=item.title,
                description=item.description,
                structure=structure,
                parent=parent,
                product_class=None if parent else kind,
            )
        self.picture(item, product)
        if item.price is not None:
            StockRecord.objects.get_or_create(
                product=product,
                partner=partner,
                defaults={
                    "partner_sku": item.sku,
                    "price_currency": settings.OSCAR_DEFAULT_CURRENCY,
                    "price": item.price,
                    "num_in_stock": item.stock,
                },
            )
        for child in item.children:
            self.product(child, kind, partner, parent=product)
        return product

    def picture(self, item, product):
        image = product.images.first() or ProductImage(product=product)
        if image.original and image.original.storage.exists(image.original.name):
            return
        if image.pk:  # the files have been deleted, the database has not; the small pictures are gone as well
            thumbnails.kvstore.clear()
        image.original = ContentFile(goods.picture(item.picture), name=f"{item.sku.lower()}.jpg")
        image.save()

    def offers(self):
        everything, _created = Range.objects.get_or_create(
            slug="everything", defaults={"name": "Everything", "includes_all_products": True}
        )
        drinks, created = Range.objects.get_or_create(
            slug="tea-and-coffee", defaults={"name": "Tea & Coffee", "is_public": True}
        )
        if created:
            drinks.included_categories.add(Category.objects.get(name="Tea & Coffee"))

        self.offer(
            "Second cup: 10% off two things for the tea table",
            ConditionalOffer.SITE,
            Condition.objects.get_or_create(range=drinks, type=Condition.COUNT, value=2)[0],
            Benefit.objects.get_or_create(range=drinks, type=Benefit.PERCENTAGE, value=10)[0],
        )
        offer = self.offer(
            "Ten dollars off",
            ConditionalOffer.VOUCHER,
            Condition.objects.get_or_create(range=everything, type=Condition.VALUE, value=Decimal("30.00"))[0],
            Benefit.objects.get_or_create(range=everything, type=Benefit.FIXED, value=Decimal("10.00"))[0],
        )
        for code, usage in ((goods.VOUCHER, Voucher.MULTI_USE), (goods.VOUCHER_ONCE, Voucher.SINGLE_USE)):
            voucher, created = Voucher.objects.get_or_create(
                code=code,
                defaults={
                    "name": f"Ten dollars off, {usage.lower()}",
                    "usage": usage,
                    "start_datetime": timezone.now() - timedelta(days=1),
                    "end_datetime": timezone.now() + timedelta(days=3650),
                },
            )
            if created:
                voucher.offers.add(offer)

    def offer(self, name, kind, condition, benefit):
        return ConditionalOffer.objects.get_or_create(
            name=name,
            # Not exclusive: the voucher is good for things that are in the other offer too.
            defaults={"offer_type": kind, "condition": condition, "benefit": benefit, "exclusive": False},
        )[0]
