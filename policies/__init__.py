"""Deciding: what does a tenant want, how is a model asked for it, and is this answer it?"""
