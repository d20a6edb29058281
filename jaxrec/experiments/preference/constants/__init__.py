"""The constants that Carroll et al. do not print, judged by recommenders that see beliefs."""
