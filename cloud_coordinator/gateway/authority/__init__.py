"""The coordinator's certificate authority: files, issue, renewal, revocation."""
