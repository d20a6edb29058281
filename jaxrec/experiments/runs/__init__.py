"""One execution of a study: its folder, settings, manifest, log and trackers."""
