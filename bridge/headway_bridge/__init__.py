"""ASGI front of Headway: the A2A endpoint and the operator API."""
