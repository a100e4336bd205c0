"""The site's IEEE 2030.5 client toward its utility: the shell around the pure role."""
