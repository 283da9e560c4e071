"""The REST services of the simulator: payments, reporting, decisions, tokens. ``docs/rest.rst`` says how it plays."""

from cybersource.simulator.rest.access import RestAccess, Vault
from cybersource.simulator.rest.faults import RestFault, RestFaults

__all__ = ["RestAccess", "RestFault", "RestFaults", "Vault"]
