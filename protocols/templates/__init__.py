"""Device templates: one TOML file per product family, read by driver and simulator alike."""
