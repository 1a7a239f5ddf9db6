"""The command line: files for everybody, users, spaces and tokens for members, the cluster for operators."""
