"""`ael ui`: a read-only page over the run store, served on this machine only.

`server` listens, `gate` decides who is answered, `application` has the pages, `readers` runs what reads the store in
threads and ends what takes too long. Templates are in `templates/`, the style sheet and the script in `assets/`.
Importing this package imports neither Starlette, Jinja2 nor uvicorn.
"""
