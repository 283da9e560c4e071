"""The shopper: a payment that begins, its signed form, its state in the session, and the pages on the way back.

The payment method and the API take :mod:`.begin`, :mod:`.forms` and :mod:`.states`; the URLconf takes :mod:`.views`.
"""
