"""Who delivers how much, by price. Pure and exact."""
