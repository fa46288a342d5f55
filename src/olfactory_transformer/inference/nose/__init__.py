"""Naming smells from an electronic nose's recordings.

recording ─▶ NoseModel ─▶ NoseReadings (a row a window) ─▶ evidence, enrolment ─▶ SmellIdentification
"""
