"""A head-and-shoulders figure that speaks, looks and waves."""
