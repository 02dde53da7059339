"""What the adapter `caf_docx` is made of: the layout of the form, its page, and the reading of one."""
