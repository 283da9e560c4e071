"""What is on the shelves; ``manage.py sandbox_data`` puts it into the database.

The pictures were drawn for this shop: nothing has to be downloaded and nobody's photographs are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"


@dataclass(frozen=True, kw_only=True)
class Item:
    sku: str
    title: str
    price: Decimal | None
    picture: str  #: a file of :data:`PICTURES`
    category: str
    description: str
    stock: int = 40
    children: tuple[Item, ...] = ()


CATEGORIES = {
    "Tea & Coffee": "Pots, mugs and what goes into them.",
    "Desk & Paper": "For letters, lists and margins.",
    "Home": "Light, warmth and something green.",
    "Outdoors": "For when the slow afternoon is elsewhere.",
}

GOODS = (
    Item(
        sku="FF-TEAPOT",
        title="Moss Teapot",
        price=Decimal("48.00"),
        picture="teapot",
        category="Tea & Coffee",
        description=(
            "<p>A round-bellied stoneware pot for four cups, glazed the green of a north-facing wall. The spout pours "
            "without dripping, which took the potter eleven tries.</p><p>1.1 litres. Dishwasher safe.</p>"
        ),
    ),
    Item(
        sku="FF-MUG",
        title="Hand-thrown Mug",
        price=None,
        picture="mug_clay",
        category="Tea & Coffee",
        description=(
            "<p>Thrown one at a time and left bare at the foot, so that you can feel the clay. Holds exactly as "
            "much as you meant to drink.</p><p>320 ml. Three glazes.</p>"
        ),
        children=(
            Item(
                sku="FF-MUG-OAT",
                title="Hand-thrown Mug, oat",
                price=Decimal("18.00"),
                picture="mug_oat",
                category="",
                description="",
            ),
            Item(
                sku="FF-MUG-SLATE",
                title="Hand-thrown Mug, slate",
                price=Decimal("18.00"),
                picture="mug_slate",
                category="",
                description="",
            ),
            Item(
                sku="FF-MUG-CLAY",
                title="Hand-thrown Mug, terracotta",
                price=Decimal("19.50"),
                picture="mug_clay",
                category="",
                description="",
            ),
        ),
    ),
    Item(
        sku="FF-DRIP",
        title="Pour-over Coffee Set",
        price=Decimal("36.50"),
        picture="dripper",
        category="Tea & Coffee",
        description=(
            "<p>A porcelain cone, a glass carafe and a brass collar that holds the two apart. Four minutes from "
            "kettle to cup, and not one of them wasted.</p>"
        ),
    ),
    Item(
        sku="FF-TEA-100",
        title="First Flush Darjeeling, 100 g tin",
        price=Decimal("14.50"),
        picture="tea_tin",
        category="Tea & Coffee",
        description="<p>Picked in April, light as hay, a little muscatel at the end. Keeps for a year, never has.</p>",
    ),
    # As long as Oscar lets a title be, with signs that a payment form must survive.
    Item(
        sku="FF-TASTING-BOX-LTD",
        title=(
            "The Slow Afternoon Tasting Box: Twelve Small-Garden Teas from Darjeeling, Uji, Wuyi and Nuwara Eliya, "
            "with Bamboo Scoop, Linen Filters, Brewing Timer & “Café Crème” Notebook (Gift-Wrapped, Limited Edition "
            "№ 7 = 12 × 20 g) 🍃"
        ),
        price=Decimal("64.90"),
        picture="tasting_box",
        category="Tea & Coffee",
        description=(
            "<p>Twelve teas in a hinged cherrywood box, each with a card that says where it grew and what the weather "
            "was like. Its name is as long as it is so that you can see what a payment form makes of it.</p>"
        ),
        stock=12,
    ),
    Item(
        sku="FF-NOTE-A5",
        title="Linen Notebook, A5 dotted",
        price=Decimal("16.00"),
        picture="notebook",
        category="Desk & Paper",
        description="<p>Sewn, so that it lies flat. 192 pages of cream paper that takes ink well, and a ribbon.</p>",
    ),
    Item(
        sku="FF-PEN-BRASS",
        title="Brass Fountain Pen",
        price=Decimal("62.00"),
        picture="fountain_pen",
        category="Desk & Paper",
        description=(
            "<p>Turned from one bar of brass, with a steel nib in medium. It will be brown in a year and yours "
            "for forty.</p>"
        ),
    ),
    Item(
        sku="FF-PENCIL-12",
        title="Drawing Pencils, box of twelve",
        price=Decimal("21.90"),
        picture="pencils",
        category="Desk & Paper",
        description="<p>From 6H to 8B in incense cedar. Sharpened by hand once; after that it is up to you.</p>",
    ),
    Item(
        sku="FF-LAMP",
        title="Halden Desk Lamp",
        price=Decimal("89.00"),
        picture="desk_lamp",
        category="Desk & Paper",
        description=(
            "<p>A jointed brass arm and a shade in fir green. The bulb is warm, dimmable and already in the box.</p>"
        ),
        stock=9,
    ),
    Item(
        sku="FF-CANDLE",
        title="Beeswax Candle",
        price=Decimal("12.00"),
        picture="candle",
        category="Home",
        description="<p>Pure beeswax, a cotton wick and sixty hours. Smells faintly of June.</p>",
    ),
    Item(
        sku="FF-FERN",
        title="Boston Fern in a Clay Pot",
        price=Decimal("24.00"),
        picture="fern",
        category="Home",
        description="<p>Half of our name. Likes shade, a sip every second day and being talked to.</p>",
    ),
    Item(
        sku="FF-CLOCK",
        title="Quarter Past Wall Clock",
        price=Decimal("74.00"),
        picture="clock",
        category="Home",
        description="<p>Oak, glass and a movement that makes no sound at all. Thirty centimetres across.</p>",
        stock=1,  # for people who want to see what becomes of the last one when its order is declined
    ),
    Item(
        sku="FF-THROW",
        title="Lambswool Throw",
        price=Decimal("110.00"),
        picture="throw",
        category="Home",
        description="<p>Woven in three colours by a mill that has done nothing else since 1871. 130 by 190 cm.</p>",
        stock=6,
    ),
    Item(
        sku="FF-KETTLE",
        title="Enamel Camp Kettle",
        price=Decimal("54.00"),
        picture="kettle",
        category="Outdoors",
        description="<p>For gas, embers and induction alike. Two litres, a beech handle, no two speckles alike.</p>",
    ),
    Item(
        sku="FF-UMBRELLA",
        title="Storm Umbrella, honey",
        price=Decimal("39.00"),
        picture="umbrella",
        category="Outdoors",
        description="<p>Eight ribs of fibreglass and a hickory handle. Turns the right way out again by itself.</p>",
    ),
)

#: ISO code, three letters, number, name. The first one is where the shop is.
COUNTRIES = (
    ("US", "USA", "840", "United States of America"),
    ("CA", "CAN", "124", "Canada"),
    ("GB", "GBR", "826", "United Kingdom"),
    ("DE", "DEU", "276", "Germany"),
    ("JP", "JPN", "392", "Japan"),
)

VOUCHER = "SLOWDOWN"

#: Good for one order, until that is declined.
VOUCHER_ONCE = "LASTCALL"

#: Throwaway passwords of a shop that exists on one machine for one afternoon.
STAFF = ("staff@example.com", "letmein-staff")
SHOPPER = ("shopper@example.com", "letmein-shopper")


def picture(name: str) -> bytes:
    """Return the JPEG of that name."""
    return (PICTURES / f"{name}.jpg").read_bytes()
