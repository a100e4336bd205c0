"""Who is who on our links: names in certificates, one-time codes, signatures. Pure."""
