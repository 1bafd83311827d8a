"""Errors, texts, files, streams and compiled C++ that every room uses."""
