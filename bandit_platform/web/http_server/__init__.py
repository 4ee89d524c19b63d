"""The HTTP/1.1 server under both applications: strict requests, whole bodies, bounded waiting.

How it works: one event loop (asyncio) holds every connection, llhttp (the parser of Node.js)
reads requests, and the application is called with a whole body. So a slow client (slowloris)
occupies a connection, but no thread.
"""
