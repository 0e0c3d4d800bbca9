"""Simulated worlds that tests stand in: hosts, people, registries."""
