"""What people choose about being told, and what phones and providers say they received."""
