"""
The same export written with other tools, each as its documentation shows it, each run in a virtual environment of its own.

They read the view ``peers.profile_rows``, which is the project's mapping query; it spares them the joins and renames.
"""
