"""Torsion angles of proteins and nucleic acids, in tables and in structures."""
