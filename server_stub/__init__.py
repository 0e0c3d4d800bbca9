"""Memory: the reference registry accepts, appends and proves.

Imports: certificates.
Touches: its own database and data directory, and a loopback socket.
"""
