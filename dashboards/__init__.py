"""The analyst pages, pure: a report goes in; figures, words and templates come out."""
