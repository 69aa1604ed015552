"""Ingest: subscribe → decode → commit → acknowledge."""
