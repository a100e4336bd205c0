"""IEEE 2030.5-2018 (CSIP, CSIP-AUS): resources as XML, the client role and the server role."""
