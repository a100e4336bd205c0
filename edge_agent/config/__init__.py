"""What a person wrote about a site, read strictly."""
