"""The languages of users: REST and CDMI. Decode, ask, encode."""
