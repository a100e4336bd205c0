"""Programs of their own beside the coordinator, each wiring one role to its disk and sockets."""
