"""What every part needs: errors, files, JSON records, settings and their flags, progress."""
