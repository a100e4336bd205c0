"""OpenADR 2.0b on the coordinator's side: the VTN's sockets, its disk and its operator's door."""
