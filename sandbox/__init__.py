"""A local world to try the exports in: an ODP server and a Commerce replica. The product never imports it."""
