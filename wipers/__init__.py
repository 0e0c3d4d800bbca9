"""Destruction: find a target, plan, perform, read back.

Imports: certificates.statements, .claims, .errors, encoding.digest.
Touches: storage, only through a Host; the real one is wipers/linux.
"""
