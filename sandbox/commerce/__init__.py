"""A local replica of Configured Commerce's database, with data as awkward as the real thing."""

from sandbox.commerce.generator import generate

__all__ = ["generate"]
