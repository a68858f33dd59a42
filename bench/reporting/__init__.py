"""Statistics, tables, figures and the HTML page, made from stored runs alone."""
