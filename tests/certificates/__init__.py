"""Mirrors the room certificates."""
