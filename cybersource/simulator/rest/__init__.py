"""REST services of the simulator: payments, reporting, decisions, tokens. Described in ``docs/reference``."""

from cybersource.simulator.rest.access import RestAccess, Vault
from cybersource.simulator.rest.faults import RestFault, RestFaults

__all__ = ["RestAccess", "RestFault", "RestFaults", "Vault"]
