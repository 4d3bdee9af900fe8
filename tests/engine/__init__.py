"""Tests of the engines, on the built-in model."""
