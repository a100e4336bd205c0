"""The gateway as local OpenADR 2.0b VTN: demand-response devices of the building are its VENs."""
