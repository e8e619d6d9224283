"""The `valueflow` command: one file a group of subcommands."""
