"""Exports of Optimizely Configured Commerce to Optimizely Data Platform."""
