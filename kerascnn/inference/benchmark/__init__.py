"""Measures the speed of exported files on this machine."""
