"""Two ways to send a parcel. The codes are what settings.CYBERSOURCE_SHIPPING_METHOD_MAPPING translates."""

from decimal import Decimal

from oscar.apps.shipping import methods, repository


class Standard(methods.FixedPrice):
    code = "standard"
    name = "Standard"
    description = "<p>With you in 4 to 6 working days.</p>"
    charge_excl_tax = charge_incl_tax = Decimal("5.00")


class Express(methods.FixedPrice):
    code = "express"
    name = "Express"
    description = "<p>With you in 2 working days.</p>"
    charge_excl_tax = charge_incl_tax = Decimal("12.00")


class Repository(repository.Repository):
    methods = (Standard(), Express())
