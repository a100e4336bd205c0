"""The coordinator: from award to delivered megawatts and the statement."""
