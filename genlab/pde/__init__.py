"""Domains, problems with their exact solutions, derivatives of u."""

from genlab.pde.domain import Box, Disk, Domain, IndicatorDomain, LShape

__all__ = ["Box", "Disk", "Domain", "IndicatorDomain", "LShape"]
