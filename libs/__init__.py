"""Libraries shared by the services. Nothing here imports from `services` or `hedgerow`."""
