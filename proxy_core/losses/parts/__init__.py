"""Parts that several losses share."""
