"""The codec contract and the bounded receive buffer; knows no protocol."""
