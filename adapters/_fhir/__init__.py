"""What `fhir_r4` is made of: the types of FHIR, the shape of a tree, Bundles read and written, and what is checked."""
