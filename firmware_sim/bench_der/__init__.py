"""``vpp bench der``: what a poll of our OpenADR and IEEE 2030.5 servers costs, beside a peer's."""
