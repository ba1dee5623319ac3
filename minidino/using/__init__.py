"""What a trained backbone is for."""
