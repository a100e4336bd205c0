"""What utilities, aggregators and the grid operator order at this site: IEEE 2030.5 and OpenADR."""
