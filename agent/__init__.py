"""Decision: may we? Then do it, say so, and hand it in.

Imports: wipers, certificates.
Touches: its own site, the keys, the registry over HTTP; agent/live.py alone wires them.
"""
