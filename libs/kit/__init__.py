"""What every process is built from: settings, errors, clock, logs, metrics, runtime, stores, contracts."""
