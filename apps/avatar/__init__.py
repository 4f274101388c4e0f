"""Avatar animation: a reference image driven by speech, pose, expression, or pose and expression together."""
