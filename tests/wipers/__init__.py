"""Mirrors the room wipers."""
