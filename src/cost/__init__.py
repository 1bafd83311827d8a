"""Costs of a network: parameters, bytes, FLOPs, BOPs, OPs."""
