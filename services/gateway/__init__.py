"""The HTTP door for users: the Oneprovider REST API, CDMI and a landing page. It keeps nothing but answers
that it knows to be true still.

Plain content is not its business: the front door sends `.../content`, `.../path/...` uploads and downloads,
`POST .../children` and CDMI in plain HTTP form straight to the data ports. What carries a value inside JSON
passes here, in bounded memory.
"""
