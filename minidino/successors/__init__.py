"""What came after DINO, a file an idea."""
