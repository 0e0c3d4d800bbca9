"""Mirrors the room server_stub."""
