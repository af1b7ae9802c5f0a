"""A local Optimizely Data Platform (ODP): an HTTP server that answers the way the v3 API does."""
