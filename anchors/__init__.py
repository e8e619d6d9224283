"""Measuring: how strongly does a text express each value, and how sure are we?"""
