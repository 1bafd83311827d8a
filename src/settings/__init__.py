"""Settings: their schema, default values, YAML files, help and the command line."""
