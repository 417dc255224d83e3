"""What runs on a host itself: its Python has the standard library and these modules only."""
