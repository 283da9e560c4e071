"""Fraud review: what Decision Manager's reviewers decided, matched to its payment and given its effect once.

Others hand over a notification with :mod:`.inbox` and a decision that came otherwise with :mod:`.recording`, and have
waiting updates applied with :mod:`.matching`.
"""
