"""REST services of the simulator: payments, reporting, decisions, tokens. Described in ``docs/reference``."""

from cybersource.simulator.rest.faults import RestFault, RestFaults
from cybersource.simulator.rest_access import RestAccess, Vault

__all__ = ["RestAccess", "RestFault", "RestFaults", "Vault"]
