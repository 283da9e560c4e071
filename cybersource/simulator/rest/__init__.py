"""The REST services of the simulator: payments, follow-ons, look-up and search. ``docs/rest.rst`` says how it plays."""

from cybersource.simulator.rest.access import RestAccess
from cybersource.simulator.rest.faults import RestFault, RestFaults

__all__ = ["RestAccess", "RestFault", "RestFaults"]
