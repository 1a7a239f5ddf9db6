"""The zone: users, spaces, providers and tokens, and who may do what with them.

It owns who people are and what they may reach. It never sees a file, nor a byte of one.
"""
