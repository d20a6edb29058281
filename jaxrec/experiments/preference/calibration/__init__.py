"""The constants that Carroll et al. do not print, fitted to their Table 1."""
