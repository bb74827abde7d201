"""What SDKs fetch from us: bundles, remote configuration, flags."""
