"""What both HTTP fronts of a provider, the gateway and the data port, must answer alike.

Pure functions over bytes and strings: token headers, the error envelope, ranges, paths, file ids and
parameters. Nothing here knows a web framework.
"""
