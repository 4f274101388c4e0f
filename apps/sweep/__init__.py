"""Every combination of lists of settings: `kinora sweep`."""
