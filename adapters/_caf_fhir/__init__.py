"""The form of a common assessment as FHIR: answers of a questionnaire, and the resources that stand beside them."""
