"""What verify and bench do: comparing numbers, measuring time, and the peers to compare with."""
