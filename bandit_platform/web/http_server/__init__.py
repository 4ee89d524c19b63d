"""The HTTP/1.1 server under both applications: strict requests, whole bodies, bounded waiting.

How it works: one event loop (asyncio) holds every connection, llhttp (the parser of Node.js)
reads requests, and the application is called with a whole body. So a caller that sends slowly
costs a connection and nothing else, and no thread waits for one.
"""
