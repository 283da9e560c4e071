"""What a payment does to the shop's rows, and how it stands: settlement, the ledger, what counts, what staff are asked.

Others take how a payment stands from :mod:`.balance`, settle an outcome with :mod:`.settlement`, and lock an order with
:mod:`.orders`. Nothing here knows who brought the news, and nothing here sends anything.
"""
