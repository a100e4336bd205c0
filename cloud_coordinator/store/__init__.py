"""The coordinator's disk: registry by SQL, telemetry as Parquet segments."""
