"""Pure presentation: analysed records in, text, figures and pages out. No torch."""
