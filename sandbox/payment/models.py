"""Oscar's payment app, forked for one reason: a Transaction remembers the CyberSource reply that made it.

``manage.py oscar_fork_app payment myproject`` makes such a fork; then come these three lines and ``makemigrations``.
"""

from oscar.apps.payment.abstract_models import AbstractTransaction

from cybersource.models import TransactionMixin


class Transaction(TransactionMixin, AbstractTransaction):
    pass


# Oscar defines the models that were not defined above; so this import stands last.
from oscar.apps.payment.models import *  # noqa: E402, F403
