"""Fraud review: what Decision Manager's reviewers decided, matched to its payment and given its effect once.

Others hand over what was told with :mod:`.inbox`, and have waiting updates applied with :mod:`.matching`.
"""
