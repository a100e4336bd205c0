"""Training of the shipped models; needs the extra ``train`` and is never imported at run time."""
