"""What a lake holds, in words and tables for people."""
