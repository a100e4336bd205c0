"""The gateway as local IEEE 2030.5 server: inverters and batteries that are its clients."""
