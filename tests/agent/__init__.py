"""Mirrors the room agent."""
