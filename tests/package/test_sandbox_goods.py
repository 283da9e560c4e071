"""What the sandbox sells has pictures, which stand in the repository."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from django.core.management import call_command
from oscar.core.loading import get_model
from PIL import Image

from sandbox import goods

ProductImage = get_model("catalogue", "ProductImage")


def on_the_shelves(items: Iterable[goods.Item] = goods.GOODS) -> Iterable[goods.Item]:
    for item in items:
        yield item
        yield from on_the_shelves(item.children)


def test_every_picture_is_of_something_on_the_shelves():
    assert {path.stem for path in goods.PICTURES.iterdir()} == {item.picture for item in on_the_shelves()}


@pytest.mark.parametrize("path", sorted(goods.PICTURES.iterdir()), ids=lambda path: path.stem)
def test_a_picture_is_a_small_square_jpeg(path):
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("JPEG", (800, 800))
    assert path.stat().st_size < 100_000


def test_the_shop_is_filled_with_the_pictures_and_filling_it_again_changes_nothing(committed_db, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    for _time in range(2):
        call_command("sandbox_data", verbosity=0)
        images = ProductImage.objects.all()
        shown = {image.pk: image.original.read() for image in images}
        assert len(images) == len(list(on_the_shelves()))
        assert set(shown.values()) == {goods.picture(item.picture) for item in on_the_shelves()}
