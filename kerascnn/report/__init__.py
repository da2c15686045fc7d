"""The report: the results of a model on one HTML page.

Turns plain arrays and numbers into a self-contained HTML file. matplotlib and jinja2 are imported
only when a page is rendered.
"""
