"""Servers for a machine that has none: Valkey for the store, llama.cpp for the model."""
